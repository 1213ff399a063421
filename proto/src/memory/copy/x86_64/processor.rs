//! What the processor can run, asked for once.
//!
//! CPUID alone does not say it: vector registers beyond SSE can only be used where the operating system keeps them over a
//! change of task, which XCR0 tells (Intel SDM volume 1, section 14.3). Standard Rust's detection is not part of `core`.

use core::{
    arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count},
    },
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

/// What matters for copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Processor {
    /// AVX2, and the system keeps its registers.
    pub(super) avx2: bool,
    /// SSE4.1 with its streaming load.
    pub(super) streaming_loads: bool,
    /// `rep movsb` is fast for long copies: the processor says so, and it is one. QEMU's emulator says so too, and copies byte
    /// by byte, six times slower than its vector moves.
    pub(super) fast_strings: bool,
    /// PREFETCHW; not in the emulator, which has no caches to prepare.
    pub(super) prefetch_write: bool,
}

const ASKED: u8 = 1;
const AVX2: u8 = 2;
const STREAMING_LOADS: u8 = 4;
const FAST_STRINGS: u8 = 8;
const PREFETCH_WRITE: u8 = 16;

/// The answer, once somebody has asked. CPUID leaves a virtual machine, which takes a microsecond or many: too long for
/// every copy. Whoever asks at the same time gets the same answer, so the word needs neither lock nor order.
static ANSWER: AtomicU8 = AtomicU8::new(0);

/// What this processor can run.
#[inline]
pub(super) fn get() -> Processor {
    let mut answer = ANSWER.load(Relaxed);
    if answer == 0 {
        answer = ask();
        ANSWER.store(answer, Relaxed);
    }
    Processor {
        avx2: answer & AVX2 != 0,
        streaming_loads: answer & STREAMING_LOADS != 0,
        fast_strings: answer & FAST_STRINGS != 0,
        prefetch_write: answer & PREFETCH_WRITE != 0,
    }
}

#[cold]
#[inline(never)]
fn ask() -> u8 {
    let bit = |word: u32, bit: u32| word >> bit & 1 == 1;
    let most = __cpuid(0).eax;
    let basic = __cpuid(1).ecx;
    let extended = if most >= 7 { __cpuid_count(7, 0).ebx } else { 0 };
    let amd = if __cpuid(0x8000_0000).eax > 0x8000_0000 { __cpuid(0x8000_0001).ecx } else { 0 };
    let (sse41, osxsave, avx) = (bit(basic, 19), bit(basic, 27), bit(basic, 28));
    let kept = if osxsave { xcr0() } else { 0 };
    // XMM and YMM state.
    let avx = avx && kept & 0b110 == 0b110;
    let given = |has: bool, flag: u8| if has { flag } else { 0 };
    ASKED
        | given(avx && bit(extended, 5), AVX2)
        | given(sse41, STREAMING_LOADS)
        | given(bit(extended, 9) && !is_emulated(), FAST_STRINGS)
        | given(bit(amd, 8) && !is_emulated(), PREFETCH_WRITE)
}

/// Whether this is QEMU's emulator, by the name that a virtual machine finds where a real one finds nothing of the kind.
pub(in super::super::super) fn is_emulated() -> bool {
    let name = __cpuid(0x4000_0000);
    [name.ebx, name.ecx, name.edx].map(u32::to_le_bytes) == [*b"TCGT", *b"CGTC", *b"GTCG"]
}

/// The state components that the operating system keeps. Only where CPUID says OSXSAVE.
fn xcr0() -> u32 {
    let low: u32;
    // SAFETY: the only caller has found OSXSAVE, which says that XGETBV may be executed at any privilege; XCR0 always exists.
    // It reads no memory.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        let expected = Processor {
            avx2: std::arch::is_x86_feature_detected!("avx2"),
            streaming_loads: std::arch::is_x86_feature_detected!("sse4.1"),
            fast_strings: std::arch::is_x86_feature_detected!("ermsb") && !is_emulated(),
            // The standard library does not ask for this one.
            prefetch_write: get().prefetch_write,
        };
        assert_eq!([get(), get()], [expected; 2]);
    }
}
