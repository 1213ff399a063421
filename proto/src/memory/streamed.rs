//! Ordinary memory written with non-temporal stores: a means to test the fences on any x86-64 processor.

use super::{Fences, HeapMemory, Memory, WriteCombining};

/// A fence point of [`Memory`] that can be left out, but for the full barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FencePoint {
    /// [`Memory::before_publish`].
    BeforePublish,
    /// [`Memory::after_publish`].
    AfterPublish,
    /// [`Memory::after_ready`].
    AfterReady,
    /// [`Memory::before_release`].
    BeforeRelease,
}

impl FencePoint {
    /// All there are.
    pub const ALL: [Self; 4] =
        [Self::BeforePublish, Self::AfterPublish, Self::AfterReady, Self::BeforeRelease];
}

/// A region on the heap whose words are stored with MOVNTI, and whose bytes are copied with MOVNTDQ and MOVNTDQA, as those of
/// write-combining memory. Such stores gather in the same buffers and leave them in any order, whatever the memory is
/// (Intel SDM volume 1, section 10.4.6.2). Loads from it are ordered, other than from a real BAR.
#[derive(Clone, Debug)]
pub struct StreamedMemory {
    memory: HeapMemory<WriteCombining>,
    left_out: &'static [FencePoint],
}

impl StreamedMemory {
    /// Allocates `size` bytes, zeroed.
    ///
    /// # Panics
    ///
    /// When `size` is no multiple of 8.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { memory: HeapMemory::new(size).with_fences(), left_out: &[] }
    }

    /// The same region, without the fences at some points: to see whether they are missed.
    #[must_use]
    pub fn without(self, points: &'static [FencePoint]) -> Self {
        Self { left_out: points, ..self }
    }

    fn at(&self, point: FencePoint, fence: fn()) {
        if !self.left_out.contains(&point) {
            fence();
        }
    }
}

impl Memory for StreamedMemory {
    fn size(&self) -> u64 {
        self.memory.size()
    }

    fn load(&self, at: u64) -> u64 {
        self.memory.load(at)
    }

    fn load_acquire(&self, at: u64) -> u64 {
        self.memory.load_acquire(at)
    }

    fn store(&self, at: u64, value: u64) {
        self.memory.stream(at, value);
    }

    fn store_release(&self, at: u64, value: u64) {
        // To write-combining memory a release is a store as any other: the points make it one.
        self.memory.stream(at, value);
    }

    fn copy_in(&self, at: u64, from: &[u8]) {
        self.memory.copy_in(at, from);
    }

    fn copy_out(&self, at: u64, into: &mut [u8]) {
        self.memory.copy_out(at, into);
    }

    fn before_publish(&self) {
        self.at(FencePoint::BeforePublish, WriteCombining::before_publish);
    }

    fn after_publish(&self) {
        self.at(FencePoint::AfterPublish, WriteCombining::after_publish);
    }

    fn after_ready(&self) {
        self.at(FencePoint::AfterReady, WriteCombining::after_ready);
    }

    fn before_release(&self) {
        self.at(FencePoint::BeforeRelease, WriteCombining::before_release);
    }

    fn full(&self) {
        WriteCombining::full();
    }
}
