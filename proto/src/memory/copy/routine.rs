//! The ways to copy that there are.

use core::fmt;

use super::platform;
use crate::memory::MemoryType;

/// A way to copy bytes between shared and private memory. Up to 128 bytes of cached memory are copied by a few moves in
/// any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyRoutine {
    /// A word at a time, by atomics: where nothing else is known of the machine.
    Words,
    /// A loop of vectors of 16 bytes.
    Sse2,
    /// A loop of vectors of 32 bytes.
    Avx2,
    /// The processor's own copy.
    RepMovsb,
    /// For uncached memory: the fewest aligned accesses.
    Blocks,
    /// For write-combining memory: streaming loads and non-temporal stores.
    Streaming,
}

impl CopyRoutine {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Words, Self::Sse2, Self::Avx2, Self::RepMovsb, Self::Blocks, Self::Streaming];

    /// What this machine uses for `length` bytes of memory of a type, if they are more than a few moves copy.
    #[must_use]
    pub fn of(memory_type: MemoryType, length: usize) -> Self {
        platform::choose(memory_type, length)
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        platform::has(self)
    }
}

impl fmt::Display for CopyRoutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Words => "words",
            Self::Sse2 => "SSE2",
            Self::Avx2 => "AVX2",
            Self::RepMovsb => "rep movsb",
            Self::Blocks => "aligned blocks",
            Self::Streaming => "streaming",
        })
    }
}
