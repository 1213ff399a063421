//! Memory of a process that kills itself before a chosen store.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ivring_proto::memory::Memory;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A mapping whose process ends by SIGKILL before one of its stores. A copy is a store for each word.
///
/// Clones mean the same process.
#[derive(Debug, Clone)]
pub(super) struct Mortal<M> {
    memory: M,
    fate: Rc<Fate>,
}

#[derive(Debug, Default)]
struct Fate {
    /// Stores that are left to make, unless it lives on.
    left: Cell<Option<u64>>,
    /// Words that are never stored: for a check of the check.
    withheld: RefCell<Vec<u64>>,
}

impl<M: Memory> Mortal<M> {
    pub(super) fn new(memory: M) -> Self {
        Self { memory, fate: Rc::default() }
    }

    /// Lets the process make `stores` more stores and kills it before the next; without a number it lives on.
    pub(super) fn doom(&self, stores: Option<u64>) {
        self.fate.left.set(stores);
    }

    /// From now on words at these offsets are not stored.
    pub(super) fn withhold(&self, words: Vec<u64>) {
        self.fate.withheld.replace(words);
    }

    /// Whether the store at `at` is made. Does not return from the one that the process is to die before.
    fn allows(&self, at: u64) -> bool {
        match self.fate.left.get() {
            Some(0) => die(at),
            left => self.fate.left.set(left.map(|left| left - 1)),
        }
        !self.fate.withheld.borrow().contains(&at)
    }
}

/// Says where, and ends this process as nothing else does: no destructor, no handler, no store after it.
fn die(at: u64) -> ! {
    super::actor::tell(&super::order::Told::Dies { at });
    loop {
        // It cannot be refused, and has no time in which it could return.
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}

impl<M: Memory> Memory for Mortal<M> {
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
        if self.allows(at) {
            self.memory.store(at, value);
        }
    }

    fn store_release(&self, at: u64, value: u64) {
        if self.allows(at) {
            self.memory.store_release(at, value);
        }
    }

    fn copy_in(&self, mut at: u64, from: &[u8]) {
        let mut rest = from;
        while !rest.is_empty() {
            let to_the_words_end = 8 - usize::from(at.to_le_bytes()[0] & 7);
            let (word, behind) = rest.split_at(rest.len().min(to_the_words_end));
            if self.allows(at) {
                self.memory.copy_in(at, word);
            }
            at += word.len() as u64;
            rest = behind;
        }
    }

    fn copy_out(&self, at: u64, into: &mut [u8]) {
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
