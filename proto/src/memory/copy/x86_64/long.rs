//! Long copies to and from cached memory.
//!
//! The loops store aligned vectors and load from wherever the source lies: a store that crosses a line costs more than a
//! load that does. The first vector and the last ones overlap with what the loop copies, so no byte is copied singly.
//!
//! Vectors of 64 bytes were measured and are not here: from the second level of the caches on, where the other side's bytes
//! come from, they gain nothing.

use core::arch::asm;

use super::{CopyRoutine, short};

/// Copies `n` bytes that do not overlap, by `routine` where they are many.
///
/// # Safety
///
/// `src` must be valid for reads and `dst` for writes of `n` bytes. Other threads and processes may access either at the
/// same time; the bytes read are then any mixture. The processor must have the routine.
pub(super) unsafe fn copy(routine: CopyRoutine, dst: *mut u8, src: *const u8, n: usize) {
    match routine {
        // SAFETY: the caller's contract is the same.
        _ if n <= short::MOST => unsafe { short::copy(dst, src, n) },
        // SAFETY: the caller's contract is the same, and n is more than 128.
        CopyRoutine::Avx2 => unsafe { avx2(dst, src, n) },
        // SAFETY: the caller's contract is the same.
        CopyRoutine::RepMovsb => unsafe { rep_movsb(dst, src, n) },
        // SAFETY: the caller's contract is the same, and n is more than 128.
        _ => unsafe { sse2(dst, src, n) },
    }
}

/// Lines of four vectors of 16 bytes. SSE2 is part of the x86-64 baseline.
///
/// # Safety
///
/// As [`copy`], and `n` must be 64 or more.
unsafe fn sse2(dst: *mut u8, src: *const u8, n: usize) {
    // SAFETY: the first store is of bytes 0..16. Then `dst` and `src` advance by 1 to 16 bytes up to an aligned `dst`, and the
    // loop copies 64 bytes at a time while `dst` is below `last` = n - 64: up to n at most. The last four moves are of bytes
    // n - 64..n. So only bytes 0..n are touched, and each of them is stored: the loop ends at or above `last`.
    unsafe {
        asm!(
            "lea {last}, [{dst} + {n} - 64]",
            "movups {a}, xmmword ptr [{src}]",
            "movups xmmword ptr [{dst}], {a}",
            "mov {skip}, {dst}",
            "and {skip}, 15",
            "sub {skip}, 16",
            "sub {dst}, {skip}",
            "sub {src}, {skip}",
            "cmp {dst}, {last}",
            "jae 3f",
            ".p2align 4",
            "2:",
            "movups {a}, xmmword ptr [{src}]",
            "movups {b}, xmmword ptr [{src} + 16]",
            "movups {c}, xmmword ptr [{src} + 32]",
            "movups {d}, xmmword ptr [{src} + 48]",
            "add {src}, 64",
            "movaps xmmword ptr [{dst}], {a}",
            "movaps xmmword ptr [{dst} + 16], {b}",
            "movaps xmmword ptr [{dst} + 32], {c}",
            "movaps xmmword ptr [{dst} + 48], {d}",
            "add {dst}, 64",
            "cmp {dst}, {last}",
            "jb 2b",
            "3:",
            "sub {src}, {dst}",
            "add {src}, {last}",
            "movups {a}, xmmword ptr [{src}]",
            "movups {b}, xmmword ptr [{src} + 16]",
            "movups {c}, xmmword ptr [{src} + 32]",
            "movups {d}, xmmword ptr [{src} + 48]",
            "movups xmmword ptr [{last}], {a}",
            "movups xmmword ptr [{last} + 16], {b}",
            "movups xmmword ptr [{last} + 32], {c}",
            "movups xmmword ptr [{last} + 48], {d}",
            src = inout(reg) src => _, dst = inout(reg) dst => _, n = in(reg) n,
            last = out(reg) _, skip = out(reg) _,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack)
        );
    }
}

/// Four vectors of 32 bytes at a time.
///
/// # Safety
///
/// As [`copy`], `n` must be 128 or more, and processor and system must have AVX2.
unsafe fn avx2(dst: *mut u8, src: *const u8, n: usize) {
    // VZEROUPPER, without which SSE code that follows is slow, changes every vector register: all that a call may change are
    // named as changed.
    // SAFETY: as in `sse2`, with vectors of 32 bytes: the first store is of bytes 0..32, the loop's end at n at most, the last
    // moves are of bytes n - 128..n.
    unsafe {
        asm!(
            "lea rax, [rdi + rdx - 128]",
            "vmovdqu ymm0, ymmword ptr [rsi]",
            "vmovdqu ymmword ptr [rdi], ymm0",
            "mov rcx, rdi",
            "and rcx, 31",
            "sub rcx, 32",
            "sub rdi, rcx",
            "sub rsi, rcx",
            "cmp rdi, rax",
            "jae 3f",
            ".p2align 4",
            "2:",
            "vmovdqu ymm0, ymmword ptr [rsi]",
            "vmovdqu ymm1, ymmword ptr [rsi + 32]",
            "vmovdqu ymm2, ymmword ptr [rsi + 64]",
            "vmovdqu ymm3, ymmword ptr [rsi + 96]",
            "sub rsi, -128",
            "vmovdqa ymmword ptr [rdi], ymm0",
            "vmovdqa ymmword ptr [rdi + 32], ymm1",
            "vmovdqa ymmword ptr [rdi + 64], ymm2",
            "vmovdqa ymmword ptr [rdi + 96], ymm3",
            "sub rdi, -128",
            "cmp rdi, rax",
            "jb 2b",
            "3:",
            "sub rsi, rdi",
            "vmovdqu ymm0, ymmword ptr [rax + rsi]",
            "vmovdqu ymm1, ymmword ptr [rax + rsi + 32]",
            "vmovdqu ymm2, ymmword ptr [rax + rsi + 64]",
            "vmovdqu ymm3, ymmword ptr [rax + rsi + 96]",
            "vmovdqu ymmword ptr [rax], ymm0",
            "vmovdqu ymmword ptr [rax + 32], ymm1",
            "vmovdqu ymmword ptr [rax + 64], ymm2",
            "vmovdqu ymmword ptr [rax + 96], ymm3",
            "vzeroupper",
            inout("rdi") dst => _, inout("rsi") src => _, inout("rdx") n => _, out("rax") _, out("rcx") _,
            clobber_abi("sysv64"),
            options(nostack)
        );
    }
}

/// The processor's own copy.
///
/// # Safety
///
/// As [`copy`].
unsafe fn rep_movsb(dst: *mut u8, src: *const u8, n: usize) {
    // SAFETY: exactly `n` bytes from `src` to `dst`; the direction flag is clear at the start of every asm block.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") n => _, inout("rsi") src => _, inout("rdi") dst => _,
            options(nostack, preserves_flags)
        );
    }
}
