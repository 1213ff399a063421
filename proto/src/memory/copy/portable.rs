//! Where the only copies are word loops: on other architectures, under Miri, and without vector registers.

use super::{CopyRoutine, MemoryType, word_loop};

/// There is but one.
pub(super) fn has(routine: CopyRoutine) -> bool {
    routine == CopyRoutine::Words
}

/// What copies to or from memory of a type.
pub(super) fn choose(_: MemoryType, _: usize) -> CopyRoutine {
    CopyRoutine::Words
}

/// Copies `from` to `shared`.
///
/// # Safety
///
/// As [`word_loop::copy_in`].
pub(in super::super) unsafe fn copy_in(_: MemoryType, shared: *mut u8, from: &[u8]) {
    // SAFETY: the caller's contract is the same.
    unsafe { word_loop::copy_in(shared, from) }
}

/// Fills `into` from `shared`.
///
/// # Safety
///
/// As [`word_loop::copy_out`].
pub(in super::super) unsafe fn copy_out(_: MemoryType, shared: *const u8, into: &mut [u8]) {
    // SAFETY: the caller's contract is the same.
    unsafe { word_loop::copy_out(shared, into) }
}

/// There is no such hint.
pub(in super::super) fn prefetch_write(_: *const u8, _: usize) {}

/// Nothing says so here.
#[cfg(feature = "std")]
pub(in super::super) fn is_emulated() -> bool {
    false
}

/// As [`copy_in`], by one routine of one.
///
/// # Safety
///
/// As [`word_loop::copy_in`].
#[cfg(feature = "std")]
pub(in super::super) unsafe fn copy_in_by(_: CopyRoutine, shared: *mut u8, from: &[u8]) {
    // SAFETY: the caller's contract is the same.
    unsafe { word_loop::copy_in(shared, from) }
}

/// As [`copy_out`], by one routine of one.
///
/// # Safety
///
/// As [`word_loop::copy_out`].
#[cfg(feature = "std")]
pub(in super::super) unsafe fn copy_out_by(_: CopyRoutine, shared: *const u8, into: &mut [u8]) {
    // SAFETY: the caller's contract is the same.
    unsafe { word_loop::copy_out(shared, into) }
}
