//! Refusals: the host's answer to a join request that it cannot grant, code and text, indexed by the request's cell.
//!
//! Grants are not answered here; the echo in the directory is the answer.

use super::Text;
use crate::layout::{VersionRange, answer_word as word};
use crate::memory::Memory;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum Refusal {
    /// Every channel belongs to somebody.
    Full {
        /// Channels of the region.
        channels: u64,
    },
    /// No common protocol version.
    Version {
        /// What the host speaks.
        host: VersionRange,
    },
    /// The guest insists on features the host does not have.
    Features {
        /// The bits in question.
        bits: u64,
    },
    /// A living guest has this identity already.
    DuplicateIdentity,
    /// The region belongs to another VM.
    NotOwner,
    /// The host is about to format the region anew.
    Closing,
    /// A code of a newer version.
    Unknown {
        /// The code.
        code: u64,
    },
}

impl Refusal {
    const fn encode(self) -> (u64, u64) {
        match self {
            Refusal::Full { channels } => (1, channels),
            Refusal::Version { host } => (2, host.to_word()),
            Refusal::Features { bits } => (3, bits),
            Refusal::DuplicateIdentity => (4, 0),
            Refusal::NotOwner => (5, 0),
            Refusal::Closing => (6, 0),
            Refusal::Unknown { code } => (code, 0),
        }
    }

    const fn decode(code: u64, detail: u64) -> Self {
        match code {
            1 => Refusal::Full { channels: detail },
            2 => Refusal::Version { host: VersionRange::from_word(detail) },
            3 => Refusal::Features { bits: detail },
            4 => Refusal::DuplicateIdentity,
            5 => Refusal::NotOwner,
            6 => Refusal::Closing,
            code => Refusal::Unknown { code },
        }
    }

    /// True when asking again later can help.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Refusal::Full { .. } | Refusal::Closing | Refusal::DuplicateIdentity)
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Refusal::Full { channels } => write!(
                f,
                "all {channels} channels are taken: evict a guest that is gone, or use a region with more channels"
            ),
            Refusal::Version { host } => {
                write!(f, "the host speaks ivring {host}, this program {}", VersionRange::SUPPORTED)
            }
            Refusal::Features { bits } => write!(f, "the host lacks the required features {bits:#x}"),
            Refusal::DuplicateIdentity => {
                f.write_str("a living guest has this UUID already: give each virtual machine its own")
            }
            Refusal::NotOwner => f.write_str("this region belongs to another virtual machine"),
            Refusal::Closing => f.write_str("the region is being formatted anew: wait"),
            Refusal::Unknown { code } => write!(f, "refused with code {code} of a newer version"),
        }
    }
}

/// A refusal as the guest reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Why.
    pub refusal: Refusal,
    /// The same in the host's words; untrusted.
    pub text: Text<{ word::TEXT_LEN }>,
}

/// Writes an answer for the request `nonce` at `at`; the nonce is stored last.
pub fn write_answer<M: Memory>(memory: &M, at: u64, nonce: u64, answer: &Answer) {
    memory.store(at + word::NONCE, 0);
    memory.before_publish();
    let (code, detail) = answer.refusal.encode();
    memory.store(at + word::CODE, code);
    memory.store(at + word::DETAIL, detail);
    answer.text.write(memory, at + word::TEXT);
    memory.before_publish();
    // EDGE join-answer (pairs with read_answer).
    memory.store_release(at + word::NONCE, nonce);
    memory.after_publish();
}

/// Takes back an answer for the request `nonce` at `at`, when that request is granted after all.
pub fn clear_answer<M: Memory>(memory: &M, at: u64, nonce: u64) {
    if memory.load(at + word::NONCE) == nonce {
        memory.store(at + word::NONCE, 0);
        memory.after_publish();
    }
}

/// Reads the answer at `at`; `None` when it is for another request than `nonce`.
pub fn read_answer<M: Memory>(memory: &M, at: u64, nonce: u64) -> Option<Answer> {
    // EDGE join-answer (pairs with write_answer).
    if memory.load_acquire(at + word::NONCE) != nonce {
        return None;
    }
    memory.after_ready();
    let answer = Answer {
        refusal: Refusal::decode(memory.load(at + word::CODE), memory.load(at + word::DETAIL)),
        text: Text::read(memory, at + word::TEXT),
    };
    memory.before_release();
    (memory.load_acquire(at + word::NONCE) == nonce).then_some(answer)
}
