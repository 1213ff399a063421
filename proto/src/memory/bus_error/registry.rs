//! Where regions are mapped in this process, in a form that a signal handler can look through.
//!
//! A fixed number of slots, each written by one thread at a time under a version number that is odd meanwhile. A reader that
//! finds it odd or changed passes the slot over, and need not try again: the slot of a mapping that is being accessed does
//! not change.

use std::io;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// Most mappings that there can be at a time.
const MOST: usize = 4096;

static SLOTS: [Slot; MOST] = [const { Slot::free() }; MOST];

#[derive(Debug)]
pub(super) struct Slot {
    version: AtomicUsize,
    /// Address of the first byte, 0 when the slot is free.
    start: AtomicUsize,
    /// In bytes.
    length: AtomicUsize,
    /// Offset of the first access that failed plus 1; 0 while there was none.
    broken: AtomicUsize,
}

impl Slot {
    pub(super) const fn free() -> Self {
        Slot {
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
        }
    }

    /// Takes the slot, if it is free.
    fn claim(&self, start: usize, length: usize) -> bool {
        let version = self.version.load(Relaxed);
        if !version.is_multiple_of(2) || self.start.load(Relaxed) != 0 {
            return false;
        }
        if self.version.compare_exchange(version, version + 1, Acquire, Relaxed).is_err() {
            return false;
        }
        self.write(version + 1, start, length);
        true
    }

    /// Writes the slot, whose version is odd and this thread's, and ends that.
    fn write(&self, version: usize, start: usize, length: usize) {
        // EDGE slot-change (pairs with Slot::read): who reads a word of this change finds the version odd, or later.
        fence(Release);
        self.start.store(start, Relaxed);
        self.length.store(length, Relaxed);
        self.broken.store(0, Relaxed);
        // EDGE slot-publish (pairs with Slot::read).
        self.version.store(version.wrapping_add(1), Release);
    }

    /// Start and length, unless they are being changed.
    fn read(&self) -> Option<(usize, usize)> {
        // EDGE slot-publish (pairs with Slot::write).
        let version = self.version.load(Acquire);
        let (start, length) = (self.start.load(Relaxed), self.length.load(Relaxed));
        // EDGE slot-change (pairs with Slot::write).
        fence(Acquire);
        let unchanged = version.is_multiple_of(2) && self.version.load(Relaxed) == version;
        (unchanged && start != 0).then_some((start, length))
    }
}

/// A mapping's place in the registry, given up when dropped: before the mapping ends.
#[derive(Debug)]
pub(in super::super) struct Registration {
    slot: &'static Slot,
}

impl Registration {
    /// Registers the mapping of `length` bytes at `start`.
    pub(in super::super) fn new(start: usize, length: usize) -> io::Result<Self> {
        Self::among(&SLOTS, start, length)
    }

    pub(super) fn among(slots: &'static [Slot], start: usize, length: usize) -> io::Result<Self> {
        let slot = slots.iter().find(|slot| slot.claim(start, length));
        let full = || io::Error::other(format!("{MOST} regions are mapped already: close some first"));
        Ok(Registration { slot: slot.ok_or_else(full)? })
    }

    /// Offset of the first access that failed.
    pub(in super::super) fn broken_at(&self) -> Option<usize> {
        self.slot.broken.load(Relaxed).checked_sub(1)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Nobody but its owner changes a slot that is taken.
        let version = self.slot.version.load(Relaxed).wrapping_add(1);
        self.slot.version.store(version, Relaxed);
        self.slot.write(version, 0, 0);
    }
}

/// A mapping that was found by an address in it.
#[derive(Debug)]
pub(super) struct Mapping<'a> {
    slot: &'a Slot,
    /// Address of its first byte.
    pub(super) start: usize,
    /// In bytes.
    pub(super) length: usize,
}

impl Mapping<'_> {
    /// Notes that the access to `address` failed, if it is the first.
    pub(super) fn mark(&self, address: usize) {
        let offset = address.wrapping_sub(self.start).wrapping_add(1);
        // One that comes second may fail: the first one stands.
        let _ = self.slot.broken.compare_exchange(0, offset, Relaxed, Relaxed);
    }
}

/// The mapping that `address` is in, if it is one of ours. Takes no lock.
pub(super) fn find(address: usize) -> Option<Mapping<'static>> {
    find_among(&SLOTS, address)
}

pub(super) fn find_among(slots: &[Slot], address: usize) -> Option<Mapping<'_>> {
    slots.iter().find_map(|slot| {
        let (start, length) = slot.read()?;
        let inside = address.checked_sub(start)? < length;
        inside.then_some(Mapping { slot, start, length })
    })
}
