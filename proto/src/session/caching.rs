//! How a guest has mapped the region, as it tells the host: for the operator's eyes, nothing depends on it.

use crate::layout::control_word as word;
use crate::memory::{Memory, MemoryType};

/// A code takes the low byte of the word.
const CODES: u64 = 0xff;
/// In an emulator everything reads as write-back.
const EMULATED: u64 = 4;

/// The memory type that a guest's accesses to the region allow for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caching {
    /// The type; where it is mixed, that of the rings.
    pub memory_type: MemoryType,
    /// Whether an emulator runs the guest, so that the type says nothing about a real machine.
    pub emulated: bool,
}

impl core::fmt::Display for Caching {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.memory_type.fmt(f)?;
        if self.emulated { f.write_str(", emulated") } else { Ok(()) }
    }
}

impl Caching {
    /// The code in the region, never 0.
    const fn code(self) -> u64 {
        let memory_type = match self.memory_type {
            MemoryType::WriteBack => 1,
            MemoryType::Uncached => 2,
            MemoryType::WriteCombining => 3,
        };
        memory_type | if self.emulated { EMULATED } else { 0 }
    }

    /// The reverse of [`code`](Self::code); `None` for a code that says nothing, or that a newer program knows.
    const fn from_code(code: u64) -> Option<Self> {
        let memory_type = match code & !EMULATED {
            1 => MemoryType::WriteBack,
            2 => MemoryType::Uncached,
            3 => MemoryType::WriteCombining,
            _ => return None,
        };
        Some(Caching { memory_type, emulated: code & EMULATED != 0 })
    }

    /// Stores it for the session `nonce` in a guest's control block, before that session is confirmed.
    pub(crate) fn write<M: Memory>(self, memory: &M, guest_control: u64, nonce: u64) {
        // With the nonce in it, for nobody clears what an earlier guest has said, and not every guest says something.
        memory.store(guest_control + word::SESSION + word::CACHING, nonce ^ self.code());
    }

    /// What the guest of the session `nonce` has said; `None` when it has said nothing, or nothing that is known here.
    pub(crate) fn read<M: Memory>(memory: &M, guest_control: u64, nonce: u64) -> Option<Self> {
        let code = memory.load(guest_control + word::SESSION + word::CACHING) ^ nonce;
        if code & !CODES == 0 { Self::from_code(code) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::HeapMemory;

    const NONCE: u64 = 0x1234_5678_9abc_def0;

    #[test]
    fn what_a_guest_says_is_read_for_its_own_session_only() {
        let memory = HeapMemory::new(1024);
        assert_eq!(Caching::read(&memory, 512, NONCE), None);
        for memory_type in [MemoryType::WriteBack, MemoryType::Uncached, MemoryType::WriteCombining] {
            for emulated in [false, true] {
                let said = Caching { memory_type, emulated };
                said.write(&memory, 512, NONCE);
                assert_eq!(Caching::read(&memory, 512, NONCE), Some(said));
                assert_eq!(Caching::read(&memory, 512, NONCE ^ 0x100), None, "said by an earlier guest");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        let memory = HeapMemory::new(1024);
        for code in [0, 4, 8, 9, 0x101, u64::MAX] {
            memory.store(512 + word::SESSION + word::CACHING, NONCE ^ code);
            assert_eq!(Caching::read(&memory, 512, NONCE), None, "{code:#x}");
        }
    }
}
