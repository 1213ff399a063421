//! Copies for x86-64, by size and by what the processor and its operating system have.
//!
//! | file | what | for |
//! | --- | --- | --- |
//! | `short` | a few moves that overlap | cached memory, up to 128 bytes |
//! | `long` | loops of vector moves, `rep movsb` | cached memory, above |
//! | `blocks` | aligned accesses, as few as there can be | uncached and write-combining memory |
//! | `ahead` | a hint for lines that will be written | cached memory |
//! | `processor` | which of them it can run | |

mod ahead;
mod blocks;
mod long;
mod processor;
mod short;

use super::{CopyRoutine, MemoryType, word_loop};
pub(in super::super) use ahead::prefetch_write;
#[cfg(feature = "std")]
pub(in super::super) use processor::is_emulated;

/// From here on `rep movsb` is faster than the AVX2 loop, where it is fast at all.
const REP_MOVSB_BEFORE_AVX2: usize = 16 << 10;
/// From here on it is faster than the SSE2 loop.
const REP_MOVSB_BEFORE_SSE2: usize = 4 << 10;

/// Whether this processor has what `routine` needs.
pub(super) fn has(routine: CopyRoutine) -> bool {
    match routine {
        CopyRoutine::Avx2 => processor::get().avx2,
        CopyRoutine::Streaming => processor::get().streaming_loads,
        CopyRoutine::Words | CopyRoutine::Sse2 | CopyRoutine::RepMovsb | CopyRoutine::Blocks => true,
    }
}

/// What copies more than a few bytes to or from memory of a type.
#[inline]
pub(super) fn choose(memory_type: MemoryType, length: usize) -> CopyRoutine {
    let processor = processor::get();
    let long = if processor.avx2 { REP_MOVSB_BEFORE_AVX2 } else { REP_MOVSB_BEFORE_SSE2 };
    match memory_type {
        MemoryType::WriteBack if length >= long && processor.fast_strings => CopyRoutine::RepMovsb,
        MemoryType::WriteBack if processor.avx2 => CopyRoutine::Avx2,
        MemoryType::WriteBack => CopyRoutine::Sse2,
        MemoryType::WriteCombining if processor.streaming_loads => CopyRoutine::Streaming,
        MemoryType::WriteCombining | MemoryType::Uncached => CopyRoutine::Blocks,
    }
}

/// Copies `from` to `shared`, which is memory of a type.
///
/// # Safety
///
/// `shared` must be valid for writes of `from.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only.
#[inline]
pub(in super::super) unsafe fn copy_in(memory_type: MemoryType, shared: *mut u8, from: &[u8]) {
    let n = from.len();
    match memory_type {
        // SAFETY: `from` is valid for reads of its own length, `shared` for writes of it by the caller's contract.
        MemoryType::WriteBack if n <= short::MOST => unsafe { short::copy(shared, from.as_ptr(), n) },
        // SAFETY: as above.
        MemoryType::WriteBack => unsafe { cached(shared, from.as_ptr(), n) },
        // SAFETY: the caller's contract is the same, and what is chosen can be run.
        _ => unsafe { copy_in_by(choose(memory_type, n), shared, from) },
    }
}

/// Fills `into` from `shared`, which is memory of a type.
///
/// # Safety
///
/// `shared` must be valid for reads of `into.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only.
#[inline]
pub(in super::super) unsafe fn copy_out(memory_type: MemoryType, shared: *const u8, into: &mut [u8]) {
    let n = into.len();
    match memory_type {
        // SAFETY: `into` is valid for writes of its own length, `shared` for reads of it by the caller's contract.
        MemoryType::WriteBack if n <= short::MOST => unsafe { short::copy(into.as_mut_ptr(), shared, n) },
        // SAFETY: as above.
        MemoryType::WriteBack => unsafe { cached(into.as_mut_ptr(), shared, n) },
        // SAFETY: the caller's contract is the same, and what is chosen can be run.
        _ => unsafe { copy_out_by(choose(memory_type, n), shared, into) },
    }
}

/// Copies more than [`short::MOST`] bytes of cached memory.
///
/// # Safety
///
/// As [`long::copy`].
#[inline(never)]
unsafe fn cached(dst: *mut u8, src: *const u8, n: usize) {
    // SAFETY: the caller's contract is the same, and what is chosen can be run.
    unsafe { long::copy(choose(MemoryType::WriteBack, n), dst, src, n) }
}

/// Copies `from` to `shared` by one routine.
///
/// # Safety
///
/// As [`copy_in`], and the processor must [have](has) the routine.
#[inline(never)]
pub(in super::super) unsafe fn copy_in_by(routine: CopyRoutine, shared: *mut u8, from: &[u8]) {
    let (private, n) = (from.as_ptr(), from.len());
    match routine {
        // SAFETY: the caller's contract is the same.
        CopyRoutine::Words => unsafe { word_loop::copy_in(shared, from) },
        // SAFETY: the caller's contract is the same, and the processor has AVX2.
        CopyRoutine::Blocks if processor::get().avx2 => unsafe {
            blocks::store::<blocks::Avx2>(shared, from)
        },
        // SAFETY: as above, and every processor has these.
        CopyRoutine::Blocks => unsafe { blocks::store::<blocks::Sse2>(shared, from) },
        // SAFETY: the caller's contract is the same.
        CopyRoutine::Streaming => unsafe { blocks::store::<blocks::Streaming>(shared, from) },
        // SAFETY: `from` is valid for reads of its own length, `shared` for writes of it by the caller's contract.
        _ => unsafe { long::copy(routine, shared, private, n) },
    }
}

/// Fills `into` from `shared` by one routine.
///
/// # Safety
///
/// As [`copy_out`], and the processor must [have](has) the routine.
#[inline(never)]
pub(in super::super) unsafe fn copy_out_by(routine: CopyRoutine, shared: *const u8, into: &mut [u8]) {
    let (private, n) = (into.as_mut_ptr(), into.len());
    match routine {
        // SAFETY: the caller's contract is the same.
        CopyRoutine::Words => unsafe { word_loop::copy_out(shared, into) },
        // SAFETY: the caller's contract is the same, and the processor has AVX2.
        CopyRoutine::Blocks if processor::get().avx2 => unsafe { blocks::load::<blocks::Avx2>(shared, into) },
        // SAFETY: as above, and every processor has these.
        CopyRoutine::Blocks => unsafe { blocks::load::<blocks::Sse2>(shared, into) },
        // SAFETY: the caller's contract is the same, and the processor has streaming loads.
        CopyRoutine::Streaming => unsafe { blocks::stream_out(shared, into) },
        // SAFETY: `into` is valid for writes of its own length, `shared` for reads of it by the caller's contract.
        _ => unsafe { long::copy(routine, private, shared, n) },
    }
}
