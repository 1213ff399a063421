//! A limit: a line that is as full as it can be, to and fro. The number that says so, 56 bytes behind it, and nothing else:
//! no room is counted and nothing is checked but the message.

use ivring_proto::memory::{MappedFile, Memory};

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
    region::{Rings, for_rings},
};

/// Bytes of a line, and of the number at its beginning.
const LINE: u64 = 64;
const NUMBER: u64 = 8;

/// Another line for each message, up to the size that all rings have. Only where each message is answered before the next.
#[derive(Debug)]
pub(crate) struct FullLines;

impl Apart for FullLines {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let memory = for_rings(cord, side, shape)?;
        let Rings { sending, receiving } = Rings::of(side, shape);
        let lines = |data| Lines { memory: memory.clone(), data, size: sending.capacity, number: 0 };
        Ok((
            Filling(lines(sending.data)),
            Waiting { lines: lines(receiving.data), buffer: vec![0; shape.length] },
        ))
    }
}

struct Lines {
    memory: MappedFile,
    data: u64,
    size: u64,
    number: u64,
}

impl Lines {
    /// Where the next message goes.
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.data + self.number * LINE % self.size
    }
}

struct Filling(Lines);

impl Sender for Filling {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            let line = self.0.next();
            self.0.memory.copy_in(line + NUMBER, message);
            self.0.memory.store_release(line, self.0.number);
        }
        Ok(())
    }
}

struct Waiting {
    lines: Lines,
    buffer: Vec<u8>,
}

impl Receiver for Waiting {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let line = self.lines.next();
        let mut waiting = Patience::default();
        while self.lines.memory.load_acquire(line) != self.lines.number {
            waiting.pause()?;
        }
        self.lines.memory.copy_out(line + NUMBER, &mut self.buffer);
        take(&self.buffer)
    }
}
