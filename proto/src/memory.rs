//! Access to shared memory by offset: words and bytes in, words and bytes out, never a reference.
//!
//! [`Memory`] is the whole interface between the protocol and a region. The raw implementation is a few instructions;
//! the others exist to test the very same source of ring and session: a loom model, a simulation that kills a process
//! before any single store, one of stores that leave a processor in any order, and a slow mapping.

#[cfg(all(feature = "std", unix))]
mod bus_error;
#[cfg(feature = "std")]
mod combining;
mod copy;
#[cfg(feature = "std")]
mod crash;
mod fences;
mod forward;
#[cfg(feature = "std")]
mod heap;
#[cfg(all(feature = "std", unix))]
mod mapped;
#[cfg(all(feature = "std", unix))]
mod mixed;
#[cfg(all(loom, feature = "std"))]
mod model;
#[cfg(feature = "std")]
mod probe;
mod raw;
#[cfg(feature = "std")]
mod slow;
#[cfg(all(target_arch = "x86_64", feature = "std", not(miri)))]
mod streamed;
#[cfg(feature = "std")]
mod words;

#[cfg(all(feature = "std", unix))]
pub use bus_error::guard_mappings;
#[cfg(feature = "std")]
pub use combining::CombiningMemory;
pub use copy::CopyRoutine;
#[cfg(feature = "std")]
pub use crash::{CrashMemory, Killed};
pub use fences::{Fences, MemoryType, Uncached, WriteBack, WriteCombining};
#[cfg(feature = "std")]
pub use heap::HeapMemory;
#[cfg(all(feature = "std", unix))]
pub use mapped::MappedFile;
#[cfg(all(feature = "std", unix))]
pub use mixed::MixedMapping;
#[cfg(all(loom, feature = "std"))]
pub use model::ModelMemory;
#[cfg(feature = "std")]
pub use probe::Probe;
pub use raw::RawMemory;
#[cfg(feature = "std")]
pub use slow::SlowMemory;
#[cfg(all(target_arch = "x86_64", feature = "std", not(miri)))]
pub use streamed::{FencePoint, StreamedMemory};

/// A region of shared memory, or a stand-in for one.
///
/// Offsets are in bytes from the region's start. Words are `u64`, little-endian in memory, at offsets divisible by 8.
/// The other side may change any byte at any moment: what is read once must be checked and used, never read again.
///
/// # Panics
///
/// An access outside the region, or a word access that is not aligned, panics: it is a bug of the caller's, who checks
/// every offset against a validated geometry first. No value that the peer wrote can cause it.
pub trait Memory {
    /// Size of the region in bytes.
    fn size(&self) -> u64;

    /// Loads the word at `at`, with no ordering.
    fn load(&self, at: u64) -> u64;

    /// Loads the word at `at`; what its writer stored before a [`store_release`](Self::store_release) of the value
    /// loaded is visible afterwards (on memory types where plain loads and stores are ordered, see the fence points).
    fn load_acquire(&self, at: u64) -> u64;

    /// Stores a word at `at`, with no ordering.
    fn store(&self, at: u64, value: u64);

    /// Stores a word at `at` after everything stored before it.
    fn store_release(&self, at: u64, value: u64);

    /// Copies `from` into the region at `at`.
    fn copy_in(&self, at: u64, from: &[u8]);

    /// Copies bytes at `at` out of the region, filling `into`.
    fn copy_out(&self, at: u64, into: &mut [u8]);

    /// Hint: `length` bytes at `at` will be written soon. Changes nothing but the time that takes, and never panics.
    fn prefetch_write(&self, _at: u64, _length: usize) {}

    /// Fence point: between a record's bytes and the header that makes them visible.
    fn before_publish(&self);

    /// Fence point: after a word that the other side waits for (that header, or a head), so that it leaves the writer's
    /// buffers soon and before anything stored later.
    fn after_publish(&self);

    /// Fence point: between a word that was found ready (a header, or a head) and the accesses that it permits.
    fn after_ready(&self);

    /// Fence point: between the last load of a record's bytes and the store of the head that gives them up.
    fn before_release(&self);

    /// Fence point: a full barrier, between a store and a load of another word.
    fn full(&self);
}

forward::forward_memory!(impl<M: Memory> Memory for &M: |memory| (**memory));
