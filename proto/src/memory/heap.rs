//! Memory of this process's own, for tests and benchmarks.

use std::{
    ptr::NonNull,
    sync::{Arc, atomic::AtomicU64},
};

use super::{CopyRoutine, Fences, RawMemory, WriteBack, forward::forward_memory};

/// A line as the protocol counts them, so that the allocation starts at one.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line {
    _words: [AtomicU64; 16],
}

/// A zeroed region on the heap. Clones mean the same region; threads may share it as processes share a mapping.
#[derive(Clone, Debug)]
pub struct HeapMemory<F: Fences = WriteBack> {
    raw: RawMemory<F>,
    owner: Arc<[Line]>,
}

impl HeapMemory {
    /// Allocates `size` bytes, zeroed.
    ///
    /// # Panics
    ///
    /// When `size` is no multiple of 8.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let owner: Arc<[Line]> = (0..size.div_ceil(size_of::<Line>())).map(|_| Line::default()).collect();
        let base = NonNull::from(&*owner).cast::<u8>();
        // SAFETY: the allocation holds at least `size` bytes of atomics, which may be written through a shared reference, and
        // lives as long as `owner` beside it; nothing else touches it, for `Line` gives its words to nobody.
        let raw = unsafe { RawMemory::new(base, size) };
        Self { raw, owner }
    }
}

impl<F: Fences> HeapMemory<F> {
    /// The same region with the fences of another memory type.
    #[must_use]
    pub fn with_fences<G: Fences>(self) -> HeapMemory<G> {
        HeapMemory { raw: self.raw.with_fences(), owner: self.owner }
    }

    /// Stores a word at `at` past the caches, ordered as a store to write-combining memory is: by fences only.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    pub(super) fn stream(&self, at: u64, value: u64) {
        self.raw.stream(at, value);
    }

    /// As [`copy_in`](super::Memory::copy_in), by one routine instead of the one that the machine would use: to compare them.
    ///
    /// # Panics
    ///
    /// Also when this machine does not have the routine.
    pub fn copy_in_by(&self, routine: CopyRoutine, at: u64, from: &[u8]) {
        self.raw.copy_in_by(routine, at, from);
    }

    /// As [`copy_out`](super::Memory::copy_out), by one routine.
    ///
    /// # Panics
    ///
    /// Also when this machine does not have the routine.
    pub fn copy_out_by(&self, routine: CopyRoutine, at: u64, into: &mut [u8]) {
        self.raw.copy_out_by(routine, at, into);
    }
}

forward_memory!(impl<F: Fences> Memory for HeapMemory<F>: |memory| memory.raw);
