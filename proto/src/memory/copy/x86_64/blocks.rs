//! Copies to and from memory that is not cached: every access is a trip to it, so there are as few as can be.
//!
//! Loads are of the whole aligned blocks that cover the bytes, also where only a part is asked for: a block never crosses
//! a page, so it can be read if one of its bytes can. Stores are of the bytes alone: whole blocks in the middle, and at
//! both ends the largest aligned pieces that there are.

use core::arch::asm;

/// The largest block there is, in bytes.
const LARGEST: usize = 32;

/// One way to load and store aligned blocks of a power of two of bytes.
pub(super) trait Block {
    /// Bytes of a block.
    const SIZE: usize;

    /// Copies a block.
    ///
    /// # Safety
    ///
    /// `shared` must be aligned to the block's size, `private` be valid for writes of a block; the processor must have the
    /// instructions.
    unsafe fn load(private: *mut u8, shared: *const u8);

    /// Copies a block.
    ///
    /// # Safety
    ///
    /// `shared` must be aligned to the block's size and valid for writes of it, `private` for reads of it; the processor must
    /// have the instructions.
    unsafe fn store(shared: *mut u8, private: *const u8);
}

/// Plain moves of 16 bytes, which every x86-64 processor has.
pub(super) struct Sse2;

/// Plain moves of 32 bytes: half the trips.
pub(super) struct Avx2;

/// Moves for write-combining memory, with SSE4.1: the first load of a line fetches all of it into a buffer that the next ones
/// read, and a line of stores leaves as one.
pub(super) struct Streaming;

impl Block for Sse2 {
    const SIZE: usize = 16;

    #[inline]
    unsafe fn load(private: *mut u8, shared: *const u8) {
        // SAFETY: reads the block at `shared`, which is aligned, and writes 16 bytes at `private`.
        unsafe {
            asm!(
                "movdqa {a}, xmmword ptr [{shared}]",
                "movdqu xmmword ptr [{private}], {a}",
                a = out(xmm_reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        }
    }

    #[inline]
    unsafe fn store(shared: *mut u8, private: *const u8) {
        // SAFETY: reads 16 bytes at `private` and writes the block at `shared`, which is aligned.
        unsafe {
            asm!(
                "movdqu {a}, xmmword ptr [{private}]",
                "movdqa xmmword ptr [{shared}], {a}",
                a = out(xmm_reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        }
    }
}

// VZEROUPPER changes every vector register: all that a call may change are named as changed.
impl Block for Avx2 {
    const SIZE: usize = 32;

    #[inline]
    unsafe fn load(private: *mut u8, shared: *const u8) {
        // SAFETY: reads the block at `shared`, which is aligned, and writes 32 bytes at `private`.
        unsafe {
            asm!(
                "vmovdqa ymm0, ymmword ptr [rsi]",
                "vmovdqu ymmword ptr [rdi], ymm0",
                "vzeroupper",
                in("rsi") shared, in("rdi") private,
                clobber_abi("sysv64"),
                options(nostack, preserves_flags)
            );
        }
    }

    #[inline]
    unsafe fn store(shared: *mut u8, private: *const u8) {
        // SAFETY: reads 32 bytes at `private` and writes the block at `shared`, which is aligned.
        unsafe {
            asm!(
                "vmovdqu ymm0, ymmword ptr [rsi]",
                "vmovdqa ymmword ptr [rdi], ymm0",
                "vzeroupper",
                in("rsi") private, in("rdi") shared,
                clobber_abi("sysv64"),
                options(nostack, preserves_flags)
            );
        }
    }
}

impl Block for Streaming {
    const SIZE: usize = 16;

    #[inline]
    unsafe fn load(private: *mut u8, shared: *const u8) {
        // SAFETY: reads the block at `shared`, which is aligned, and perhaps others of its line, which is of the same page;
        // writes 16 bytes at `private`.
        unsafe {
            asm!(
                "movntdqa {a}, xmmword ptr [{shared}]",
                "movdqu xmmword ptr [{private}], {a}",
                a = out(xmm_reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        }
    }

    #[inline]
    unsafe fn store(shared: *mut u8, private: *const u8) {
        // SAFETY: reads 16 bytes at `private` and writes the block at `shared`, which is aligned.
        unsafe {
            asm!(
                "movdqu {a}, xmmword ptr [{private}]",
                "movntdq xmmword ptr [{shared}], {a}",
                a = out(xmm_reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        }
    }
}

/// Fills `into` from `shared` by streaming loads.
///
/// # Safety
///
/// As [`load`] with [`Streaming`].
pub(super) unsafe fn stream_out(shared: *const u8, into: &mut [u8]) {
    // A buffer may still hold a line as it was when a neighbour of these bytes was read; MFENCE makes the next streaming load
    // fetch it again (Intel SDM volume 1, section 12.10.3). It costs less than one load from such memory.
    // SAFETY: MFENCE is part of the x86-64 baseline, touches no register, flag or stack and accesses no memory.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) }
    // SAFETY: the caller's contract is the same.
    unsafe { load::<Streaming>(shared, into) }
}

/// Fills `into` from `shared`.
///
/// # Safety
///
/// `shared` must be valid for reads of `into.len()` bytes in memory that is mapped by pages, or by whole blocks at least, and
/// the rest of the program must access them by atomics or by this module only. The processor must have the block's
/// instructions.
pub(super) unsafe fn load<B: Block>(shared: *const u8, into: &mut [u8]) {
    let mut shared = shared;
    let mut rest = into;
    while !rest.is_empty() {
        let skip = shared.addr() % B::SIZE;
        let (part, behind) = rest.split_at_mut(rest.len().min(B::SIZE - skip));
        let block = shared.wrapping_sub(skip);
        if part.len() == B::SIZE {
            // SAFETY: the block is aligned and one of the bytes asked for; `part` has its size.
            unsafe { B::load(part.as_mut_ptr(), block) }
        } else {
            let mut whole = [0; LARGEST];
            // SAFETY: the block is aligned and has a byte that was asked for, so it can be read; `whole` holds any block.
            unsafe { B::load(whole.as_mut_ptr(), block) }
            part.copy_from_slice(&whole[skip..skip + part.len()]);
        }
        shared = shared.wrapping_add(part.len());
        rest = behind;
    }
}

/// Copies `from` to `shared`.
///
/// # Safety
///
/// `shared` must be valid for writes of `from.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only. The processor must have the block's instructions.
pub(super) unsafe fn store<B: Block>(shared: *mut u8, from: &[u8]) {
    let mut shared = shared;
    let mut rest = from;
    while !rest.is_empty() {
        let aligned = 1 << shared.addr().trailing_zeros().min(B::SIZE.ilog2());
        let size = aligned.min(1 << rest.len().ilog2());
        let (piece, behind) = rest.split_at(size);
        if size == B::SIZE {
            // SAFETY: `shared` is aligned to a block, and a block at least is left of both.
            unsafe { B::store(shared, piece.as_ptr()) }
        } else {
            // SAFETY: `size` is a power of two below a block's, and as many bytes are left of both.
            unsafe { store_piece(shared, piece.as_ptr(), size) }
        }
        shared = shared.wrapping_add(size);
        rest = behind;
    }
}

/// Copies 1, 2, 4, 8 or 16 bytes.
///
/// # Safety
///
/// `shared` must be valid for writes and `private` for reads of `size` bytes.
unsafe fn store_piece(shared: *mut u8, private: *const u8, size: usize) {
    match size {
        // SAFETY: 16 bytes of each.
        16 => unsafe { Sse2::store(shared, private) },
        // SAFETY: 8 bytes of each.
        8 => unsafe {
            asm!(
                "mov {a}, qword ptr [{private}]",
                "mov qword ptr [{shared}], {a}",
                a = out(reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: 4 bytes of each.
        4 => unsafe {
            asm!(
                "mov {a:e}, dword ptr [{private}]",
                "mov dword ptr [{shared}], {a:e}",
                a = out(reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: 2 bytes of each.
        2 => unsafe {
            asm!(
                "mov {a:x}, word ptr [{private}]",
                "mov word ptr [{shared}], {a:x}",
                a = out(reg) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        },
        // SAFETY: 1 byte of each.
        _ => unsafe {
            asm!(
                "mov {a}, byte ptr [{private}]",
                "mov byte ptr [{shared}], {a}",
                a = out(reg_byte) _, shared = in(reg) shared, private = in(reg) private,
                options(nostack, preserves_flags)
            );
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Sse2, load, store};
    use crate::memory::copy::tests::check;

    /// They are chosen without AVX2 only.
    #[test]
    fn blocks_of_16_bytes() {
        check(
            // SAFETY: the caller's contract is the same, and every processor has SSE2.
            |shared, from| unsafe { store::<Sse2>(shared, from) },
            // SAFETY: as above.
            |shared, into| unsafe { load::<Sse2>(shared, into) },
        );
    }
}
