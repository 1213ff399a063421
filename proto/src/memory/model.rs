//! Memory under the loom model checker, which tries every order that the memory model allows.

use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
};
use std::sync::Arc;

use super::{Memory, MemoryType};

/// A region in a loom model. Clones mean the same region.
///
/// Each word is an atomic and a cell. Payload goes through both, headers and control words through the atomic only: loom
/// then reports a payload that is copied while it is written, and a payload that a header has overwritten shows as a
/// difference between the two.
#[derive(Clone, Debug)]
pub struct ModelMemory {
    words: Arc<Vec<Word>>,
    kind: MemoryType,
}

#[derive(Debug)]
struct Word {
    atomic: AtomicU64,
    payload: UnsafeCell<u64>,
}

// SAFETY: the cells are touched through loom only, which aborts the model when two threads touch one without order.
unsafe impl Send for Word {}
// SAFETY: as for `Send`.
unsafe impl Sync for Word {}

impl ModelMemory {
    /// `size` bytes, zeroed. With `WriteCombining` acquire and release order nothing, as on x86, and the fence points do.
    #[must_use]
    pub fn new(size: usize, kind: MemoryType) -> Self {
        let word = |_| Word { atomic: AtomicU64::new(0), payload: UnsafeCell::new(0) };
        Self { words: Arc::new((0..size.div_ceil(8)).map(word).collect()), kind }
    }

    fn word(&self, at: u64) -> &Word {
        assert!(at.is_multiple_of(8), "word at {at} is not aligned to 8");
        &self.words[usize::try_from(at / 8).expect("models are small")]
    }

    fn combines(&self) -> bool {
        self.kind == MemoryType::WriteCombining
    }
}

impl Memory for ModelMemory {
    fn size(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    fn load(&self, at: u64) -> u64 {
        self.word(at).atomic.load(Relaxed)
    }

    fn load_acquire(&self, at: u64) -> u64 {
        self.word(at).atomic.load(if self.combines() { Relaxed } else { Acquire })
    }

    fn store(&self, at: u64, value: u64) {
        self.word(at).atomic.store(value, Relaxed);
    }

    fn store_release(&self, at: u64, value: u64) {
        self.word(at).atomic.store(value, if self.combines() { Relaxed } else { Release });
    }

    fn copy_in(&self, at: u64, from: &[u8]) {
        let store = |at, value| {
            self.word(at).payload.with_mut(|payload| {
                // SAFETY: loom has checked that no other thread touches the cell without order.
                unsafe { *payload = value }
            });
            self.store(at, value);
        };
        super::words::copy_in(at, from, |at| self.load(at), store);
    }

    fn copy_out(&self, at: u64, into: &mut [u8]) {
        let load = |at| {
            let payload = self.word(at).payload.with(|payload| {
                // SAFETY: loom has checked that no other thread writes the cell without order.
                unsafe { *payload }
            });
            assert_eq!(payload, self.load(at), "the payload word at {at} was overwritten under its reader");
            payload
        };
        super::words::copy_out(at, into, load);
    }

    fn before_publish(&self) {
        if self.combines() {
            fence(Release);
        }
    }

    fn after_publish(&self) {
        if self.combines() {
            fence(Release);
        }
    }

    fn after_ready(&self) {
        if self.combines() {
            fence(Acquire);
        }
    }

    fn before_release(&self) {
        if self.combines() {
            fence(Release);
        }
    }

    fn full(&self) {
        fence(SeqCst);
    }
}
