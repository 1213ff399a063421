//! Short copies to and from cached memory: up to 128 bytes by a few overlapping moves.

use core::arch::asm;

/// The longest of them, in bytes.
pub(super) const MOST: usize = 128;

/// Copies `n` bytes that do not overlap. Each class moves its first and its last bytes with moves of one width, which
/// overlap in the middle: no loop, no byte outside the range, and the branches depend on the length only.
///
/// # Safety
///
/// `src` must be valid for reads and `dst` for writes of `n` bytes. Other threads and processes may access either at the
/// same time; the bytes read are then any mixture. `n` must be at most [`MOST`].
#[inline]
pub(super) unsafe fn copy(dst: *mut u8, src: *const u8, n: usize) {
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
        // SAFETY: bytes 0..64 and n-64..n, both inside since 64 < n, and together all since n <= MOST.
        _ => unsafe {
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
    }
}
