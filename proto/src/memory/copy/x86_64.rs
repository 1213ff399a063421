//! Copies for x86-64. Up to 128 bytes a few overlapping vector moves, above that `rep movsb`, whose start-up cost of some
//! ten nanoseconds would otherwise dominate a small message.

use core::arch::asm;

/// Copies `from` to `shared`.
///
/// # Safety
///
/// `shared` must be valid for writes of `from.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only.
#[inline]
pub(in super::super) unsafe fn copy_in(shared: *mut u8, from: &[u8]) {
    // SAFETY: `from` is valid for reads of its own length, `shared` for writes of it by the caller's contract.
    unsafe { copy(shared, from.as_ptr(), from.len()) }
}

/// Fills `into` from `shared`.
///
/// # Safety
///
/// `shared` must be valid for reads of `into.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only.
#[inline]
pub(in super::super) unsafe fn copy_out(shared: *const u8, into: &mut [u8]) {
    // SAFETY: `into` is valid for writes of its own length, `shared` for reads of it by the caller's contract.
    unsafe { copy(into.as_mut_ptr(), shared, into.len()) }
}

/// Copies `n` bytes that do not overlap. Each class moves its first and its last bytes with moves of one width, which
/// overlap in the middle: no loop, no byte outside the range, and the branches depend on the length only.
///
/// # Safety
///
/// `src` must be valid for reads and `dst` for writes of `n` bytes. Other threads and processes may access either at the
/// same time; the bytes read are then any mixture.
#[inline]
unsafe fn copy(dst: *mut u8, src: *const u8, n: usize) {
    match n {
        0 => {}
        // SAFETY: reads and writes one byte.
        1 => unsafe {
            asm!(
                "mov {a}, byte ptr [{src}]",
                "mov byte ptr [{dst}], {a}",
                a = out(reg_byte) _, src = in(reg) src, dst = in(reg) dst,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: bytes 0..2 and n-2..n, both inside since n >= 2.
        2..=3 => unsafe {
            asm!(
                "mov {a:x}, word ptr [{src}]",
                "mov {b:x}, word ptr [{src} + {n} - 2]",
                "mov word ptr [{dst}], {a:x}",
                "mov word ptr [{dst} + {n} - 2], {b:x}",
                a = out(reg) _, b = out(reg) _, src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: bytes 0..4 and n-4..n, both inside since n >= 4.
        4..=7 => unsafe {
            asm!(
                "mov {a:e}, dword ptr [{src}]",
                "mov {b:e}, dword ptr [{src} + {n} - 4]",
                "mov dword ptr [{dst}], {a:e}",
                "mov dword ptr [{dst} + {n} - 4], {b:e}",
                a = out(reg) _, b = out(reg) _, src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: bytes 0..8 and n-8..n, both inside since n >= 8.
        8..=15 => unsafe {
            asm!(
                "mov {a}, qword ptr [{src}]",
                "mov {b}, qword ptr [{src} + {n} - 8]",
                "mov qword ptr [{dst}], {a}",
                "mov qword ptr [{dst} + {n} - 8], {b}",
                a = out(reg) _, b = out(reg) _, src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: bytes 0..16 and n-16..n, both inside since n >= 16. SSE2 is part of the x86-64 baseline.
        16..=32 => unsafe {
            asm!(
                "movups {a}, xmmword ptr [{src}]",
                "movups {b}, xmmword ptr [{src} + {n} - 16]",
                "movups xmmword ptr [{dst}], {a}",
                "movups xmmword ptr [{dst} + {n} - 16], {b}",
                a = out(xmm_reg) _, b = out(xmm_reg) _, src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: bytes 0..32 and n-32..n, both inside since n > 32.
        33..=64 => unsafe {
            asm!(
                "movups {a}, xmmword ptr [{src}]",
                "movups {b}, xmmword ptr [{src} + 16]",
                "movups {c}, xmmword ptr [{src} + {n} - 32]",
                "movups {d}, xmmword ptr [{src} + {n} - 16]",
                "movups xmmword ptr [{dst}], {a}",
                "movups xmmword ptr [{dst} + 16], {b}",
                "movups xmmword ptr [{dst} + {n} - 32], {c}",
                "movups xmmword ptr [{dst} + {n} - 16], {d}",
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: bytes 0..64 and n-64..n, both inside since n > 64.
        65..=128 => unsafe {
            asm!(
                "movups {a}, xmmword ptr [{src}]",
                "movups {b}, xmmword ptr [{src} + 16]",
                "movups {c}, xmmword ptr [{src} + 32]",
                "movups {d}, xmmword ptr [{src} + 48]",
                "movups xmmword ptr [{dst}], {a}",
                "movups xmmword ptr [{dst} + 16], {b}",
                "movups xmmword ptr [{dst} + 32], {c}",
                "movups xmmword ptr [{dst} + 48], {d}",
                "movups {a}, xmmword ptr [{src} + {n} - 64]",
                "movups {b}, xmmword ptr [{src} + {n} - 48]",
                "movups {c}, xmmword ptr [{src} + {n} - 32]",
                "movups {d}, xmmword ptr [{src} + {n} - 16]",
                "movups xmmword ptr [{dst} + {n} - 64], {a}",
                "movups xmmword ptr [{dst} + {n} - 48], {b}",
                "movups xmmword ptr [{dst} + {n} - 32], {c}",
                "movups xmmword ptr [{dst} + {n} - 16], {d}",
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: exactly `n` bytes from `src` to `dst`; the direction flag is clear at the start of every asm block.
        _ => unsafe {
            asm!(
                "rep movsb",
                inout("rcx") n => _, inout("rsi") src => _, inout("rdi") dst => _,
                options(nostack, preserves_flags)
            );
        },
    }
}
