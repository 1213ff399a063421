//! The ring as it would be with a shared tail: the producer says in a word of its own how far the records reach, instead of
//! in the first record's header. Everything else is as in ivring's ring: the same header with its checks, the same
//! paddings, private copies of the other side's word, space released in eighths.

use ivring_proto::{
    layout::{RingPlace, control_word},
    memory::{MappedFile, Memory},
    ring::{HEADER, PADDING},
};

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
    region::{Rings, for_rings},
};

const KIND: u8 = 2;

/// The ring with a tail; published with each message, or with each batch.
#[derive(Debug)]
pub(crate) struct Twin<const BATCHED: bool>;

impl<const BATCHED: bool> Apart for Twin<BATCHED> {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let memory = for_rings(cord, side, shape)?;
        let rings = Rings::of(side, shape);
        let writer = Writer::<BATCHED> {
            lane: Lane { memory: memory.clone(), place: rings.sending },
            position: 0,
            offset: 0,
            published: 0,
            head: 0,
        };
        let reader = Reader {
            lane: Lane { memory, place: rings.receiving },
            position: 0,
            offset: 0,
            tail: 0,
            head: 0,
            buffer: vec![0; shape.length],
        };
        Ok((writer, reader))
    }
}

struct Lane {
    memory: MappedFile,
    place: RingPlace,
}

impl Lane {
    fn tail(&self) -> u64 {
        self.place.producer + control_word::HINT
    }

    fn head(&self) -> u64 {
        self.place.consumer + control_word::HEAD
    }

    fn data(&self, offset: u64) -> u64 {
        self.place.data + offset
    }

    fn advance(&self, offset: u64, span: u64) -> u64 {
        let next = offset + span;
        if next == self.place.capacity { 0 } else { next }
    }
}

fn span_of(length: u64) -> u64 {
    (length + 7) & !7
}

fn encode(length: u64, kind: u8, position: u64) -> u64 {
    length | u64::from(kind) << 32 | (position >> 3) << 40
}

struct Writer<const BATCHED: bool> {
    lane: Lane,
    position: u64,
    offset: u64,
    published: u64,
    head: u64,
}

impl<const BATCHED: bool> Writer<BATCHED> {
    fn publish(&mut self) {
        if self.published != self.position {
            self.lane.memory.before_publish();
            self.lane.memory.store_release(self.lane.tail(), self.position);
            self.lane.memory.after_publish();
            self.published = self.position;
        }
    }

    /// Waits for room; nothing may wait unpublished meanwhile.
    fn reserve(&mut self, needed: u64) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        while needed > self.lane.place.capacity - self.position.wrapping_sub(self.head) {
            let head = self.lane.memory.load_acquire(self.lane.head());
            self.lane.memory.after_ready();
            if head == self.head {
                self.publish();
                waiting.pause()?;
            } else if head.wrapping_sub(self.head) <= self.published.wrapping_sub(self.head) {
                self.head = head;
            } else {
                return Err(broken("head", head));
            }
        }
        Ok(())
    }

    fn place(&mut self, length: u64, span: u64, kind: u8) {
        let header = encode(length, kind, self.position);
        self.lane.memory.store(self.lane.data(self.offset), header);
        self.position = self.position.wrapping_add(span);
        self.offset = self.lane.advance(self.offset, span);
    }
}

impl<const BATCHED: bool> Sender for Writer<BATCHED> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            let length = HEADER + message.len() as u64;
            let span = span_of(length);
            let room = self.lane.place.capacity - self.offset;
            let padding = if span > room { room } else { 0 };
            self.reserve(padding + span)?;
            if padding > 0 {
                self.place(padding, padding, PADDING);
            }
            self.lane.memory.copy_in(self.lane.data(self.offset) + HEADER, message);
            self.place(length, span, KIND);
            if !BATCHED {
                self.publish();
            }
        }
        self.publish();
        Ok(())
    }
}

struct Reader {
    lane: Lane,
    position: u64,
    offset: u64,
    tail: u64,
    head: u64,
    buffer: Vec<u8>,
}

impl Reader {
    fn look(&mut self) -> Result<bool, Failure> {
        if self.tail != self.position {
            return Ok(true);
        }
        let tail = self.lane.memory.load_acquire(self.lane.tail());
        if tail == self.tail {
            self.release();
            return Ok(false);
        }
        self.lane.memory.after_ready();
        if tail.wrapping_sub(self.position) > self.lane.place.capacity || !tail.is_multiple_of(8) {
            return Err(broken("tail", tail));
        }
        self.tail = tail;
        Ok(true)
    }

    /// Length and kind of the record at the position.
    fn header(&self) -> Result<(u64, u8), Failure> {
        let word = self.lane.memory.load(self.lane.data(self.offset));
        let [a, b, c, d, kind, ..] = word.to_le_bytes();
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        let inside = length >= HEADER && span_of(length) <= self.tail.wrapping_sub(self.position);
        let right = inside
            && span_of(length) <= self.lane.place.capacity - self.offset
            && word == encode(length, kind, self.position);
        if right { Ok((length, kind)) } else { Err(broken("header", word)) }
    }

    fn pass(&mut self, length: u64) {
        let span = span_of(length);
        self.position = self.position.wrapping_add(span);
        self.offset = self.lane.advance(self.offset, span);
    }

    fn release(&mut self) {
        if self.head != self.position {
            self.lane.memory.before_release();
            self.lane.memory.store_release(self.lane.head(), self.position);
            self.lane.memory.after_publish();
            self.head = self.position;
        }
    }
}

impl Receiver for Reader {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        while !self.look()? {
            waiting.pause()?;
        }
        let (mut length, kind) = self.header()?;
        if kind == PADDING {
            self.pass(length);
            (length, _) = self.header()?;
        }
        let payload = usize::try_from(length - HEADER).unwrap_or(usize::MAX);
        let Some(buffer) = self.buffer.get_mut(..payload) else { return Err(broken("length", length)) };
        self.lane.memory.copy_out(self.lane.data(self.offset) + HEADER, buffer);
        let span = span_of(length);
        self.position = self.position.wrapping_add(span);
        self.offset = self.lane.advance(self.offset, span);
        if self.position.wrapping_sub(self.head) >= self.lane.place.capacity / 8 {
            self.release();
        }
        take(&self.buffer[..payload])
    }
}

fn broken(what: &str, word: u64) -> Failure {
    Failure::Peer { peer: "twin", what: format!("{what} {word:#x} cannot be") }
}
