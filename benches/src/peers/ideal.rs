//! The yardstick: as little as a ring of messages can be. Two counters, a length before each message, and trust: nothing
//! that the other side writes is checked, nobody can crash, and there are no kinds, classes or paddings of records.

use ivring_proto::memory::{MappedFile, Memory};

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
    region::{Rings, for_rings},
};

const HEADER: u64 = 8;

/// The ring; published and released with each message, or published a batch and released an eighth at a time.
#[derive(Debug)]
pub(crate) struct Ideal<const BATCHED: bool>;

impl<const BATCHED: bool> Apart for Ideal<BATCHED> {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let memory = for_rings(cord, side, shape)?;
        let Rings { sending, receiving } = Rings::of(side, shape);
        // What ends a slot before the ring does begins the next at its start: no message is in two pieces.
        let slot = (HEADER + shape.length as u64).next_multiple_of(8);
        let size = sending.capacity / slot * slot;
        let writer = Writer::<BATCHED> {
            ring: Ring {
                memory: memory.clone(),
                tail: sending.producer,
                head: sending.consumer,
                data: sending.data,
            },
            size,
            slot,
            position: 0,
            offset: 0,
            released: 0,
        };
        let reader = Reader::<BATCHED> {
            ring: Ring { memory, tail: receiving.producer, head: receiving.consumer, data: receiving.data },
            size,
            slot,
            position: 0,
            offset: 0,
            published: 0,
            released: 0,
            buffer: vec![0; shape.length],
        };
        Ok((writer, reader))
    }
}

/// Where things are.
struct Ring {
    memory: MappedFile,
    tail: u64,
    head: u64,
    data: u64,
}

struct Writer<const BATCHED: bool> {
    ring: Ring,
    size: u64,
    slot: u64,
    position: u64,
    offset: u64,
    released: u64,
}

impl<const BATCHED: bool> Sender for Writer<BATCHED> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            let mut waiting = Patience::default();
            while self.position - self.released > self.size - self.slot {
                self.released = self.ring.memory.load_acquire(self.ring.head);
                if self.position - self.released > self.size - self.slot {
                    if BATCHED {
                        self.ring.memory.store_release(self.ring.tail, self.position);
                    }
                    waiting.pause()?;
                }
            }
            let place = self.ring.data + self.offset;
            self.ring.memory.store(place, message.len() as u64);
            self.ring.memory.copy_in(place + HEADER, message);
            self.position += self.slot;
            self.offset = if self.offset + self.slot == self.size { 0 } else { self.offset + self.slot };
            if !BATCHED {
                self.ring.memory.store_release(self.ring.tail, self.position);
            }
        }
        if BATCHED {
            self.ring.memory.store_release(self.ring.tail, self.position);
        }
        Ok(())
    }
}

struct Reader<const BATCHED: bool> {
    ring: Ring,
    size: u64,
    slot: u64,
    position: u64,
    offset: u64,
    published: u64,
    released: u64,
    buffer: Vec<u8>,
}

impl<const BATCHED: bool> Receiver for Reader<BATCHED> {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        while self.position == self.published {
            self.published = self.ring.memory.load_acquire(self.ring.tail);
            if self.position == self.published {
                if BATCHED {
                    self.release();
                }
                waiting.pause()?;
            }
        }
        let place = self.ring.data + self.offset;
        // It trusts, but not with its own memory.
        let length =
            usize::try_from(self.ring.memory.load(place)).unwrap_or(usize::MAX).min(self.buffer.len());
        self.ring.memory.copy_out(place + HEADER, &mut self.buffer[..length]);
        self.position += self.slot;
        self.offset = if self.offset + self.slot == self.size { 0 } else { self.offset + self.slot };
        if !BATCHED || self.position - self.released >= self.size / 8 {
            self.release();
        }
        take(&self.buffer[..length])
    }
}

impl<const BATCHED: bool> Reader<BATCHED> {
    fn release(&mut self) {
        if self.released != self.position {
            self.ring.memory.store_release(self.ring.head, self.position);
            self.released = self.position;
        }
    }
}
