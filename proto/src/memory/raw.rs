//! The region as a pointer and a size.

use core::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

#[cfg(feature = "std")]
use super::CopyRoutine;
use super::{Fences, Memory, MemoryType, WriteBack, copy};

/// Shared memory at a fixed address, with the fences of its memory type.
///
/// Copies of this value mean the same memory. It does not own it: see [`new`](Self::new).
#[derive(Clone, Copy, Debug)]
pub struct RawMemory<F: Fences = WriteBack> {
    base: NonNull<u8>,
    size: usize,
    fences: PhantomData<F>,
}

impl<F: Fences> RawMemory<F> {
    /// Takes `size` bytes at `base` for shared memory.
    ///
    /// # Safety
    ///
    /// From now on until the last use of this value and of its copies, the bytes must be mapped for reads and writes, and
    /// nothing in this process may access them but through such values or by atomics. Bytes beside them may be read, up to the
    /// next multiple of 32 on either side: memory that is mapped by pages allows it.
    ///
    /// # Panics
    ///
    /// When `base` or `size` is no multiple of 8.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, size: usize) -> Self {
        assert!(
            base.addr().get().is_multiple_of(8) && size.is_multiple_of(8),
            "shared memory at {base:?}, {size} bytes, is not aligned to 8"
        );
        Self { base, size, fences: PhantomData }
    }

    /// The same memory with the fences of another type.
    #[must_use]
    pub fn with_fences<G: Fences>(self) -> RawMemory<G> {
        RawMemory { base: self.base, size: self.size, fences: PhantomData }
    }

    /// The word at `at`, for one access.
    #[inline]
    fn word(&self, at: u64) -> &AtomicU64 {
        let Some(offset) = usize::try_from(at).ok().filter(|at| at.is_multiple_of(8) && *at < self.size)
        else {
            refuse_word(at, self.size)
        };
        // SAFETY: `offset` is inside the memory by the check above.
        let place = unsafe { self.base.add(offset) };
        // SAFETY: `place` is 8-aligned, since base and offset are, and the word ends inside, since the size is a multiple of 8;
        // `new`'s contract keeps it mapped and free of accesses that are not atomic.
        unsafe { AtomicU64::from_ptr(place.as_ptr().cast()) }
    }

    /// The address of `length` bytes at `at`.
    #[inline]
    fn bytes(&self, at: u64, length: usize) -> *mut u8 {
        let inside = |offset: &usize| *offset <= self.size && length <= self.size - *offset;
        let Some(offset) = usize::try_from(at).ok().filter(inside) else {
            refuse_bytes(at, length, self.size)
        };
        // SAFETY: `offset` is inside the memory or just behind its last byte by the check above.
        unsafe { self.base.add(offset) }.as_ptr()
    }

    /// As [`copy_in`](Memory::copy_in), in the way that memory of another type needs.
    #[inline]
    pub(super) fn copy_in_as(&self, memory_type: MemoryType, at: u64, from: &[u8]) {
        let place = self.bytes(at, from.len());
        // SAFETY: `bytes` has checked the range; `new`'s contract keeps it mapped and free of other accesses.
        unsafe { copy::copy_in(memory_type, place, from) }
    }

    /// As [`copy_out`](Memory::copy_out), in the way that memory of another type needs.
    #[inline]
    pub(super) fn copy_out_as(&self, memory_type: MemoryType, at: u64, into: &mut [u8]) {
        let place = self.bytes(at, into.len());
        // SAFETY: `bytes` has checked the range; `new`'s contract keeps it mapped and free of other accesses.
        unsafe { copy::copy_out(memory_type, place, into) }
    }
}

#[cfg(feature = "std")]
impl<F: Fences> RawMemory<F> {
    /// Stores a word at `at` with MOVNTI.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    pub(super) fn stream(&self, at: u64, value: u64) {
        let place = self.word(at).as_ptr();
        let value = value.to_le();
        // SAFETY: `place` is a word of the memory, which `new`'s contract keeps mapped and free of accesses that are not atomic
        // or opaque to the compiler, as this one. MOVNTI is part of the x86-64 baseline (SSE2).
        unsafe {
            core::arch::asm!(
                "movnti qword ptr [{place}], {value}",
                place = in(reg) place, value = in(reg) value,
                options(nostack, preserves_flags)
            );
        }
    }

    /// As [`copy_in`](Memory::copy_in), by one routine.
    ///
    /// # Panics
    ///
    /// Also when this machine does not have the routine.
    pub(super) fn copy_in_by(&self, routine: CopyRoutine, at: u64, from: &[u8]) {
        assert!(routine.is_available(), "this machine cannot copy by {routine}");
        let place = self.bytes(at, from.len());
        // SAFETY: `bytes` has checked the range; `new`'s contract keeps it mapped and free of other accesses; the routine is
        // available.
        unsafe { copy::copy_in_by(routine, place, from) }
    }

    /// As [`copy_out`](Memory::copy_out), by one routine.
    ///
    /// # Panics
    ///
    /// Also when this machine does not have the routine.
    pub(super) fn copy_out_by(&self, routine: CopyRoutine, at: u64, into: &mut [u8]) {
        assert!(routine.is_available(), "this machine cannot copy by {routine}");
        let place = self.bytes(at, into.len());
        // SAFETY: as in `copy_in_by`.
        unsafe { copy::copy_out_by(routine, place, into) }
    }
}

#[cold]
#[inline(never)]
fn refuse_word(at: u64, size: usize) -> ! {
    panic!("word at {at} of shared memory of {size} bytes: outside or not aligned to 8")
}

#[cold]
#[inline(never)]
fn refuse_bytes(at: u64, length: usize, size: usize) -> ! {
    panic!("{length} bytes at {at} of shared memory of {size} bytes: outside")
}

// SAFETY: the value is an address. Every access through it is an atomic or a copy that tolerates concurrent writers, so it
// does not matter which thread makes it; `new`'s contract keeps the memory mapped for all of them.
unsafe impl<F: Fences> Send for RawMemory<F> {}
// SAFETY: as for `Send`; there is no other state.
unsafe impl<F: Fences> Sync for RawMemory<F> {}

impl<F: Fences> Memory for RawMemory<F> {
    #[inline]
    fn size(&self) -> u64 {
        self.size as u64
    }

    #[inline]
    fn load(&self, at: u64) -> u64 {
        u64::from_le(self.word(at).load(Relaxed))
    }

    #[inline]
    fn load_acquire(&self, at: u64) -> u64 {
        u64::from_le(self.word(at).load(Acquire))
    }

    #[inline]
    fn store(&self, at: u64, value: u64) {
        self.word(at).store(value.to_le(), Relaxed);
    }

    #[inline]
    fn store_release(&self, at: u64, value: u64) {
        self.word(at).store(value.to_le(), Release);
    }

    #[inline]
    fn copy_in(&self, at: u64, from: &[u8]) {
        self.copy_in_as(F::MEMORY_TYPE, at, from);
    }

    #[inline]
    fn copy_out(&self, at: u64, into: &mut [u8]) {
        self.copy_out_as(F::MEMORY_TYPE, at, into);
    }

    #[inline]
    fn prefetch_write(&self, at: u64, length: usize) {
        if F::MEMORY_TYPE == MemoryType::WriteBack
            && let Ok(at) = usize::try_from(at)
        {
            copy::prefetch_write(self.base.as_ptr().wrapping_add(at), length);
        }
    }

    #[inline]
    fn before_publish(&self) {
        F::before_publish();
    }

    #[inline]
    fn after_publish(&self) {
        F::after_publish();
    }

    #[inline]
    fn after_ready(&self) {
        F::after_ready();
    }

    #[inline]
    fn before_release(&self) {
        F::before_release();
    }

    #[inline]
    fn full(&self) {
        F::full();
    }
}
