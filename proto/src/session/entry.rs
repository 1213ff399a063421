//! A channel's directory entry: the host's echo of a join request, as it lies in the region.

use super::{CloseReason, Uuid};
use crate::layout::{Version, VersionRange, entry_word as word};
use crate::memory::Memory;

/// State of a channel as the host publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// Belongs to nobody; where a reason stands, that is why whoever believed it his own has lost it.
    Free(Option<CloseReason>),
    /// Echoed to a guest that has not confirmed yet.
    Offered,
    /// Both sides use it.
    Attached,
    /// The session is over, the channel still belongs to its identity.
    Closed(CloseReason),
    /// A state of a newer version.
    Unknown(u8),
}

impl ChannelState {
    pub(super) const fn to_word(self) -> u64 {
        match self {
            ChannelState::Free(None) => 0,
            ChannelState::Free(Some(reason)) => (reason.code() as u64) << 8,
            ChannelState::Offered => 1,
            ChannelState::Attached => 2,
            ChannelState::Closed(reason) => 3 | (reason.code() as u64) << 8,
            ChannelState::Unknown(code) => code as u64,
        }
    }

    const fn from_word(word: u64) -> Self {
        let [state, reason, ..] = word.to_le_bytes();
        match state {
            0 if reason == 0 => ChannelState::Free(None),
            0 => ChannelState::Free(Some(CloseReason::from_code(reason))),
            1 => ChannelState::Offered,
            2 => ChannelState::Attached,
            3 => ChannelState::Closed(CloseReason::from_code(reason)),
            code => ChannelState::Unknown(code),
        }
    }
}

/// What an entry says of a guest's session that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum EntryError {
    /// A state that this session cannot be in: confirmed before the guest has confirmed, superseded by itself, or unknown.
    #[error("the directory entry of channel {channel} has state {state:#x}, which this session cannot be in")]
    State {
        /// Number of the channel.
        channel: u64,
        /// State and close reason as read.
        state: u64,
    },
    /// The version is not one that was offered, or not one that this program speaks.
    #[error("the directory entry of channel {channel} has version {found}, this program speaks {supported}")]
    Version {
        /// Number of the channel.
        channel: u64,
        /// The version as read.
        found: Version,
        /// What would do.
        supported: VersionRange,
    },
    /// A start position that no ring gets to.
    #[error("the directory entry of channel {channel} has start {position}, not a multiple of 8 below 2^62")]
    Start {
        /// Number of the channel.
        channel: u64,
        /// The position as read.
        position: u64,
    },
    /// The nonce is another, and the rest is still this session's.
    #[error(
        "the directory entry of channel {channel} has nonce {found:#018x} instead of {expected:#018x}, with the same \
         salt: somebody else writes there"
    )]
    Nonce {
        /// Number of the channel.
        channel: u64,
        /// The nonce as read.
        found: u64,
        /// This session's.
        expected: u64,
    },
}

/// An entry as read: copied once, not yet checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// State of the channel.
    pub state: ChannelState,
    /// The session's nonce, echoed; 0 when there is none.
    pub nonce: u64,
    /// The session's salt: tags the to-host ring.
    pub salt: u64,
    /// Salt that tags the to-guest ring. It is the host's, who writes that ring: it stays when only the agent's process
    /// is new, so that records in flight go on; it changes when the guest has booted anew.
    pub to_guest_salt: u64,
    /// Position at which the guest starts to produce.
    pub to_host_start: u64,
    /// Position at which the guest starts to consume.
    pub to_guest_start: u64,
    /// The VM the channel belongs to.
    pub uuid: Uuid,
    /// Boot id of the session.
    pub boot: Uuid,
    /// Version chosen.
    pub version: Version,
    /// Features chosen.
    pub features: u64,
}

/// Reads the entry at `at`. Fields can be of two different sessions when the host changes it meanwhile: a guest checks
/// the nonce again afterwards.
pub fn read_entry<M: Memory>(memory: &M, at: u64) -> Entry {
    // EDGE session-echo (pairs with write_echo).
    let nonce = memory.load_acquire(at + word::NONCE);
    memory.after_ready();
    let uuid = |at: u64| {
        let mut bytes = [0; 16];
        memory.copy_out(at, &mut bytes);
        Uuid::from_bytes(bytes)
    };
    let [a, b, c, d, ..] = memory.load(at + word::VERSION).to_le_bytes();
    Entry {
        state: ChannelState::from_word(memory.load(at + word::STATE)),
        nonce,
        salt: memory.load(at + word::SALT),
        to_guest_salt: memory.load(at + word::TO_GUEST_SALT),
        to_host_start: memory.load(at + word::TO_HOST_START),
        to_guest_start: memory.load(at + word::TO_GUEST_START),
        uuid: uuid(at + word::UUID),
        boot: uuid(at + word::BOOT),
        version: Version::from_bits(u32::from_le_bytes([a, b, c, d])),
        features: memory.load(at + word::FEATURES),
    }
}

/// The session and the state of the entry at `at`: all that its guest looks at again and again.
pub(super) fn read_standing<M: Memory>(memory: &M, at: u64) -> (u64, ChannelState) {
    // EDGE session-echo (pairs with write_echo).
    let nonce = memory.load_acquire(at + word::NONCE);
    memory.after_ready();
    (nonce, ChannelState::from_word(memory.load(at + word::STATE)))
}

/// True while the entry at `at` is the echo of session `nonce`.
pub(super) fn is_session<M: Memory>(memory: &M, at: u64, nonce: u64) -> bool {
    memory.load_acquire(at + word::NONCE) == nonce
}

/// Publishes an echo: every field, then the nonce.
pub(super) fn write_echo<M: Memory>(memory: &M, at: u64, entry: &Entry) {
    memory.store(at + word::NONCE, 0);
    memory.before_publish();
    memory.store(at + word::SALT, entry.salt);
    memory.store(at + word::TO_GUEST_SALT, entry.to_guest_salt);
    memory.store(at + word::TO_HOST_START, entry.to_host_start);
    memory.store(at + word::TO_GUEST_START, entry.to_guest_start);
    memory.copy_in(at + word::UUID, entry.uuid.as_bytes());
    memory.copy_in(at + word::BOOT, entry.boot.as_bytes());
    memory.store(at + word::VERSION, u64::from(entry.version.to_bits()));
    memory.store(at + word::FEATURES, entry.features);
    // Behind all that a channel that was free did not have: a host that dies here leaves it free.
    memory.store(at + word::STATE, entry.state.to_word());
    memory.before_publish();
    // EDGE session-echo (pairs with read_entry, read_standing).
    memory.store_release(at + word::NONCE, entry.nonce);
    memory.after_publish();
}

/// Changes the state and leaves the rest.
pub(super) fn write_channel_state<M: Memory>(memory: &M, at: u64, state: ChannelState) {
    memory.before_publish();
    memory.store_release(at + word::STATE, state.to_word());
    memory.after_publish();
}

/// Makes the channel free, with a reason for a guest that does not expect it.
pub(super) fn write_free<M: Memory>(memory: &M, at: u64, why: Option<CloseReason>) {
    // In this order: the guest that lost it never sees a state that speaks of another session.
    write_channel_state(memory, at, ChannelState::Free(why));
    memory.store(at + word::NONCE, 0);
    memory.after_publish();
}
