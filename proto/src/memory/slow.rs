//! Memory whose loads take their time, as those from an uncached BAR do.

use std::{
    hint::spin_loop,
    time::{Duration, Instant},
};

use super::Memory;

/// Another memory with a delay before every load: a simulated uncached mapping. A copy out is a load for each 8 bytes.
#[derive(Clone, Debug)]
pub struct SlowMemory<M> {
    memory: M,
    delay: Duration,
}

impl<M: Memory> SlowMemory<M> {
    /// Makes every load of `memory` take `delay` longer.
    #[must_use]
    pub fn new(memory: M, delay: Duration) -> Self {
        Self { memory, delay }
    }

    fn wait(&self, loads: u32) {
        let start = Instant::now();
        let delay = self.delay.saturating_mul(loads);
        while start.elapsed() < delay {
            spin_loop();
        }
    }
}

impl<M: Memory> Memory for SlowMemory<M> {
    fn size(&self) -> u64 {
        self.memory.size()
    }

    fn load(&self, at: u64) -> u64 {
        self.wait(1);
        self.memory.load(at)
    }

    fn load_acquire(&self, at: u64) -> u64 {
        self.wait(1);
        self.memory.load_acquire(at)
    }

    fn store(&self, at: u64, value: u64) {
        self.memory.store(at, value);
    }

    fn store_release(&self, at: u64, value: u64) {
        self.memory.store_release(at, value);
    }

    fn copy_in(&self, at: u64, from: &[u8]) {
        self.memory.copy_in(at, from);
    }

    fn copy_out(&self, at: u64, into: &mut [u8]) {
        self.wait(u32::try_from(into.len().div_ceil(8)).unwrap_or(u32::MAX));
        self.memory.copy_out(at, into);
    }

    fn before_publish(&self) {
        self.memory.before_publish();
    }

    fn after_publish(&self) {
        self.memory.after_publish();
    }

    fn after_ready(&self) {
        self.memory.after_ready();
    }

    fn before_release(&self) {
        self.memory.before_release();
    }

    fn full(&self) {
        self.memory.full();
    }
}
