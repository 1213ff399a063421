//! What producer, consumer and walk have in common: a ring's place in memory, its limits, and how a header is read.

use super::{
    fault::Fault,
    header::{self, HEADER, Header},
};
use crate::{
    layout::{RingPlace, control_word},
    memory::Memory,
};

/// Sizes that follow from a ring's capacity, all multiples of 8.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Size of the record area.
    pub(super) capacity: u64,
    /// The largest record, and the most a batch takes that holds more than one.
    pub(super) half: u64,
    /// The most bulk records hold.
    pub(super) quarter: u64,
    /// What is left free for control traffic.
    pub(super) eighth: u64,
    /// The most that is ever published and not released: a header of zero always follows it.
    pub(super) full: u64,
}

impl Limits {
    pub(super) fn new(capacity: u64) -> Self {
        let part = |n: u64| (capacity / n) & !7;
        Self { capacity, half: part(2), quarter: part(4), eighth: part(8), full: capacity - HEADER }
    }
}

/// One ring in a region.
#[derive(Debug)]
pub(super) struct Lane<M> {
    pub(super) memory: M,
    pub(super) limits: Limits,
    place: RingPlace,
    salt: u64,
}

impl<M: Memory> Lane<M> {
    /// # Panics
    ///
    /// When the place is none: geometries are checked before rings are made of them.
    pub(super) fn new(memory: M, place: RingPlace, salt: u64) -> Self {
        let RingPlace { data, capacity, producer, consumer } = place;
        let size = memory.size();
        let inside = |at: u64, length: u64| {
            at.is_multiple_of(8) && at.checked_add(length).is_some_and(|end| end <= size)
        };
        assert!(
            capacity.is_multiple_of(8) && (32..=1 << 32).contains(&capacity) && inside(data, capacity),
            "a ring of {capacity} bytes at {data} in a region of {size}"
        );
        assert!(
            inside(producer, 16) && inside(consumer, 72),
            "ring lines at {producer} and {consumer} of {size} bytes"
        );
        Self { memory, limits: Limits::new(capacity), place, salt }
    }

    /// The place in the ring that belongs to a position.
    pub(super) fn offset_of(&self, position: u64) -> u64 {
        position % self.limits.capacity
    }

    /// The offset `span` bytes on, which must not reach beyond the end of the ring.
    #[inline]
    pub(super) fn advance(&self, offset: u64, span: u64) -> u64 {
        let next = offset + span;
        if next == self.limits.capacity { 0 } else { next }
    }

    /// Where the word or byte at a ring's offset lies in the region.
    #[inline]
    pub(super) fn data(&self, offset: u64) -> u64 {
        self.place.data + offset
    }

    /// Where the byte lies that comes `span` bytes behind the one at `at`, which is of the ring.
    #[inline]
    pub(super) fn behind(&self, at: u64, span: u64) -> u64 {
        let offset = at - self.place.data + span;
        self.data(if offset < self.limits.capacity { offset } else { offset % self.limits.capacity })
    }

    /// Where the producer's hint lies in the region.
    pub(super) fn hint(&self) -> u64 {
        self.place.producer + control_word::HINT
    }

    /// Where the consumer's head lies in the region.
    pub(super) fn head(&self) -> u64 {
        self.place.consumer + control_word::HEAD
    }

    /// Where the consumer's mark of what was handed over lies in the region.
    pub(super) fn seen(&self) -> u64 {
        self.place.consumer + control_word::SEEN
    }

    /// The word of a header.
    #[inline]
    pub(super) fn encode(&self, length: u64, kind: u8, position: u64) -> u64 {
        header::encode(length, kind, position, self.salt)
    }

    /// Reads and checks the header at `position`; nothing when it is zero. Afterwards the record's bytes can be read, and
    /// the headers of its whole batch.
    #[inline]
    pub(super) fn read(&self, position: u64, offset: u64) -> Result<Option<Header>, Fault> {
        // EDGE record-publish (pairs with Producer::flush)
        let word = self.memory.load_acquire(self.data(offset));
        if word == 0 {
            return Ok(None);
        }
        self.memory.after_ready();
        header::decode(word, position, self.limits.capacity - offset, self.salt, &self.limits).map(Some)
    }
}
