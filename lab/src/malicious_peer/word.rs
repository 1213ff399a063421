//! One word of the region.

use ivring_proto::memory::{MappedFile, Memory as _};

use super::{Lie, Rewriter, Truth};

/// A word that the peer may read and change, whoever it belongs to.
#[derive(Debug, Clone)]
pub struct Word {
    map: MappedFile,
    at: u64,
}

impl Word {
    pub(super) fn new(map: MappedFile, at: u64) -> Self {
        Self { map, at }
    }

    /// What it says now.
    pub fn get(&self) -> u64 {
        self.map.load_acquire(self.at)
    }

    /// Changes it.
    pub fn set(&self, value: u64) {
        self.map.store_release(self.at, value);
    }

    /// The wrong values to try, for what it says now: see [`Truth::lies`].
    pub fn lies(&self, earlier: u64, anothers: u64) -> Vec<Lie> {
        Truth { now: self.get(), earlier, anothers }.lies()
    }

    /// Has another thread write the two values in turn, until the result is dropped, and then the first.
    ///
    /// # Panics
    ///
    /// The system starts no thread.
    pub fn rewritten(&self, values: [u64; 2]) -> Rewriter {
        Rewriter::start(self.clone(), values)
    }
}
