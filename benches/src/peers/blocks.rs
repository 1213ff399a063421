//! A limit: bytes from one core to another with as little in between as can be. Blocks of an eighth of the room, handed over
//! whole, with nothing between the messages in them.

use ivring_proto::memory::{MappedFile, Memory};

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
    region::{Rings, for_rings},
};

/// How far ahead of a copy its lines are asked for, as the ring does.
const AHEAD: u64 = 1024;

/// Blocks that are filled, handed over and emptied.
#[derive(Debug)]
pub(crate) struct Blocks;

impl Apart for Blocks {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let memory = for_rings(cord, side, shape)?;
        let Rings { sending, receiving } = Rings::of(side, shape);
        let messages = (shape.capacity / 8 / shape.length).max(1) as u64;
        let length = shape.length as u64;
        let count = sending.capacity / (messages * length);
        let course = Course { messages, length, count, number: 0 };
        let filling = Filling {
            memory: memory.clone(),
            data: sending.data,
            filled: sending.producer,
            emptied: sending.consumer,
            course,
        };
        let emptying = Emptying {
            memory,
            data: receiving.data,
            filled: receiving.producer,
            emptied: receiving.consumer,
            course,
            buffer: vec![0; shape.length],
        };
        Ok((filling, emptying))
    }
}

/// Which message comes next, and how they lie in blocks.
#[derive(Clone, Copy)]
struct Course {
    messages: u64,
    length: u64,
    count: u64,
    number: u64,
}

impl Course {
    /// The number of the block that the next message belongs to.
    fn block(&self) -> u64 {
        self.number / self.messages
    }

    /// Whether the next message is the first of its block.
    fn begins(&self) -> bool {
        self.number.is_multiple_of(self.messages)
    }

    /// Where the next message lies.
    fn place(&self) -> u64 {
        self.number % (self.messages * self.count) * self.length
    }
}

struct Filling {
    memory: MappedFile,
    data: u64,
    filled: u64,
    emptied: u64,
    course: Course,
}

impl Sender for Filling {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            if self.course.begins() {
                let mut waiting = Patience::default();
                while self.course.block() - self.memory.load_acquire(self.emptied) == self.course.count {
                    waiting.pause()?;
                }
            }
            let place = self.data + self.course.place();
            self.memory.prefetch_write(place + AHEAD, message.len());
            self.memory.copy_in(place, message);
            self.course.number += 1;
            if self.course.begins() {
                self.memory.store_release(self.filled, self.course.number);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.memory.store_release(self.filled, self.course.number);
        Ok(())
    }
}

struct Emptying {
    memory: MappedFile,
    data: u64,
    filled: u64,
    emptied: u64,
    course: Course,
    buffer: Vec<u8>,
}

impl Receiver for Emptying {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        let filled = loop {
            let filled = self.memory.load_acquire(self.filled);
            if filled != self.course.number {
                break filled;
            }
            waiting.pause()?;
        };
        while self.course.number != filled {
            self.memory.copy_out(self.data + self.course.place(), &mut self.buffer);
            self.course.number += 1;
            if self.course.begins() {
                self.memory.store_release(self.emptied, self.course.block());
            }
            take(&self.buffer)?;
        }
        Ok(())
    }
}
