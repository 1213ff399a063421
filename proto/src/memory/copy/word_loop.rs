//! Copies by relaxed atomics: words where the shared side is aligned, bytes at both ends.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Bytes from `shared` to its next word boundary, at most `length`.
fn lead(shared: *const u8, length: usize) -> usize {
    (shared.addr().wrapping_neg() & 7).min(length)
}

/// Copies `from` to `shared`.
///
/// # Safety
///
/// `shared` must be valid for writes of `from.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only.
pub(in super::super) unsafe fn copy_in(shared: *mut u8, from: &[u8]) {
    let (head, rest) = from.split_at(lead(shared, from.len()));
    let (words, tail) = rest.as_chunks::<8>();
    let tail_at = from.len() - tail.len();
    for (i, byte) in head.iter().enumerate() {
        // SAFETY: i < head.len() <= from.len().
        unsafe { store_byte(shared, i, *byte) };
    }
    for (i, word) in words.iter().enumerate() {
        // SAFETY: word i of the rest ends at or before from.len().
        let at = unsafe { shared.add(head.len() + i * 8) };
        // SAFETY: `at` is 8-aligned because `head` ends at a word boundary, and valid for 8 bytes.
        let target = unsafe { AtomicU64::from_ptr(at.cast()) };
        target.store(u64::from_ne_bytes(*word), Relaxed);
    }
    for (i, byte) in tail.iter().enumerate() {
        // SAFETY: tail_at + i < from.len().
        unsafe { store_byte(shared, tail_at + i, *byte) };
    }
}

/// Fills `into` from `shared`.
///
/// # Safety
///
/// `shared` must be valid for reads of `into.len()` bytes, and the rest of the program must access them by atomics or by
/// this module only.
pub(in super::super) unsafe fn copy_out(shared: *const u8, into: &mut [u8]) {
    let length = into.len();
    let (head, rest) = into.split_at_mut(lead(shared, length));
    let (words, tail) = rest.as_chunks_mut::<8>();
    let tail_at = length - tail.len();
    for (i, byte) in head.iter_mut().enumerate() {
        // SAFETY: i < head.len() <= into.len().
        *byte = unsafe { load_byte(shared, i) };
    }
    for (i, word) in words.iter_mut().enumerate() {
        // SAFETY: word i of the rest ends at or before into.len().
        let at = unsafe { shared.add(head.len() + i * 8) };
        // SAFETY: `at` is 8-aligned because `head` ends at a word boundary, and valid for 8 bytes; it is only loaded from.
        let source = unsafe { AtomicU64::from_ptr(at.cast_mut().cast()) };
        *word = source.load(Relaxed).to_ne_bytes();
    }
    for (i, byte) in tail.iter_mut().enumerate() {
        // SAFETY: tail_at + i < into.len().
        *byte = unsafe { load_byte(shared, tail_at + i) };
    }
}

/// Stores the byte `i` bytes behind `shared`.
///
/// # Safety
///
/// That byte must be valid for writes.
unsafe fn store_byte(shared: *mut u8, i: usize, byte: u8) {
    // SAFETY: the caller guarantees that byte `i` belongs to the same mapping.
    let at = unsafe { shared.add(i) };
    // SAFETY: the byte is valid for writes, and any address is aligned for a byte.
    let target = unsafe { AtomicU8::from_ptr(at) };
    target.store(byte, Relaxed);
}

/// Loads the byte `i` bytes behind `shared`.
///
/// # Safety
///
/// That byte must be valid for reads.
unsafe fn load_byte(shared: *const u8, i: usize) -> u8 {
    // SAFETY: the caller guarantees that byte `i` belongs to the same mapping.
    let at = unsafe { shared.add(i) };
    // SAFETY: the byte is valid for reads, any address is aligned for a byte, and it is only loaded from.
    let source = unsafe { AtomicU8::from_ptr(at.cast_mut()) };
    source.load(Relaxed)
}
