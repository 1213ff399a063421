//! The five fence points of the protocol, for each memory type a mapping can have.
//!
//! On write-back and on uncached memory the processor keeps a release store behind everything before it and an acquire
//! load before everything after it, so the points are empty. Stores to write-combining memory are held in buffers that
//! drain in any order, and loads from it are speculated: there Rust's `Acquire` and `Release`, plain moves on x86, order
//! nothing, and the points carry the real fences (Intel SDM volume 3, section 12.3.1, and AMD APM volume 2, section 7.4.2).

use core::fmt;

/// How a mapping is cached. A property of the mapping, not of the region: both ends may see different types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Ordinary memory, also where an emulator or a hypervisor ignores what the guest asked for.
    WriteBack,
    /// Every access goes to the bus by itself, in program order.
    Uncached,
    /// Stores gather in buffers and leave them in any order.
    WriteCombining,
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WriteBack => "write-back",
            Self::Uncached => "uncached",
            Self::WriteCombining => "write-combining",
        })
    }
}

/// The fences one memory type needs, see the points of the same names in [`Memory`](super::Memory).
pub trait Fences: Copy + fmt::Debug + 'static {
    /// The memory type these fences are for.
    const MEMORY_TYPE: MemoryType;

    /// Between a record's bytes and the header that makes them visible.
    fn before_publish() {}

    /// After a word that the other side waits for.
    fn after_publish() {}

    /// Between a word that was found ready and the accesses it permits.
    fn after_ready() {}

    /// Between the last load of a record's bytes and the store that gives them up.
    fn before_release() {}

    /// Between a store and a load of another word.
    fn full() {
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    }
}

/// Ordinary cached memory: release stores and acquire loads are enough.
#[derive(Clone, Copy, Debug)]
pub struct WriteBack;

impl Fences for WriteBack {
    const MEMORY_TYPE: MemoryType = MemoryType::WriteBack;
}

/// Uncached memory: accesses are strongly ordered already.
#[derive(Clone, Copy, Debug)]
pub struct Uncached;

impl Fences for Uncached {
    const MEMORY_TYPE: MemoryType = MemoryType::Uncached;
}

/// Write-combining memory: each point is a real fence.
#[derive(Clone, Copy, Debug)]
pub struct WriteCombining;

#[cfg(all(target_arch = "x86_64", not(miri)))]
impl Fences for WriteCombining {
    const MEMORY_TYPE: MemoryType = MemoryType::WriteCombining;

    #[inline]
    fn before_publish() {
        x86_64::sfence();
    }

    #[inline]
    fn after_publish() {
        x86_64::sfence();
    }

    #[inline]
    fn after_ready() {
        x86_64::lfence();
    }

    // SFENCE does not wait for loads and LFENCE does not hold back buffered stores; only MFENCE orders the loads of the
    // payload before a store to write-combining memory.
    #[inline]
    fn before_release() {
        x86_64::mfence();
    }

    #[inline]
    fn full() {
        x86_64::mfence();
    }
}

/// On other architectures BAR mappings are not supported, and there is no portable name for their weaker fences: every
/// point is the strongest fence the language has, which is at least what ordinary memory needs.
#[cfg(any(not(target_arch = "x86_64"), miri))]
impl Fences for WriteCombining {
    const MEMORY_TYPE: MemoryType = MemoryType::WriteCombining;

    fn before_publish() {
        Self::full();
    }

    fn after_publish() {
        Self::full();
    }

    fn after_ready() {
        Self::full();
    }

    fn before_release() {
        Self::full();
    }
}

/// The instructions themselves. Without `nomem` the compiler moves no memory access across them either.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64 {
    use core::arch::asm;

    /// All earlier stores are visible before any later one; drains the write-combining buffers.
    #[inline]
    pub(super) fn sfence() {
        // SAFETY: SFENCE is part of the x86-64 baseline, touches no register, flag or stack and accesses no memory.
        unsafe { asm!("sfence", options(nostack, preserves_flags)) }
    }

    /// All earlier loads are done before any later access starts.
    #[inline]
    pub(super) fn lfence() {
        // SAFETY: LFENCE is part of the x86-64 baseline, touches no register, flag or stack and accesses no memory.
        unsafe { asm!("lfence", options(nostack, preserves_flags)) }
    }

    /// All earlier accesses are done before any later one starts.
    #[inline]
    pub(super) fn mfence() {
        // SAFETY: MFENCE is part of the x86-64 baseline, touches no register, flag or stack and accesses no memory.
        unsafe { asm!("mfence", options(nostack, preserves_flags)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_documentation() {
        assert_eq!(WriteBack::MEMORY_TYPE.to_string(), "write-back");
        assert_eq!(Uncached::MEMORY_TYPE.to_string(), "uncached");
        assert_eq!(WriteCombining::MEMORY_TYPE.to_string(), "write-combining");
    }
}
