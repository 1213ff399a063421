//! ivring's ring: two processes, one file without a name, `push` and `peek`.

use ivring_proto::{
    memory::MappedFile,
    ring::{Class, Consumer, Producer, PushError},
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
const SALT: u64 = 1;

/// The ring; published with each message, or with each batch.
#[derive(Debug)]
pub(crate) struct Ring<const BATCHED: bool>;

impl<const BATCHED: bool> Apart for Ring<BATCHED> {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        Ok(over::<BATCHED>(for_rings(cord, side, shape)?, Rings::of(side, shape), shape))
    }
}

/// A side's rings in memory that was zero at first, and that the other side has as well.
pub(crate) fn over<const BATCHED: bool>(
    memory: MappedFile,
    rings: Rings,
    shape: Shape,
) -> (impl Sender, impl Receiver) {
    let (producer, consumer) = ends(memory, rings);
    (Pushing::<BATCHED>(producer), Peeking { consumer, buffer: vec![0; shape.length] })
}

/// Starts both rings of a side.
pub(super) fn ends(memory: MappedFile, rings: Rings) -> (Producer<MappedFile>, Consumer<MappedFile>) {
    let producer = Producer::start(memory.clone(), rings.sending, SALT, 0);
    (producer, Consumer::start(memory, rings.receiving, SALT, 0, 0))
}

struct Pushing<const BATCHED: bool>(Producer<MappedFile>);

impl<const BATCHED: bool> Sender for Pushing<BATCHED> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            let mut waiting = Patience::default();
            while let Err(error) = self.0.push(KIND, Class::Message, &[message]) {
                match error {
                    PushError::Full { .. } => waiting.pause()?,
                    error => return Err(refused(&error)),
                }
            }
            if !BATCHED {
                self.0.flush();
            }
        }
        self.0.flush();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.0.prepare();
        Ok(())
    }
}

struct Peeking {
    consumer: Consumer<MappedFile>,
    buffer: Vec<u8>,
}

impl Receiver for Peeking {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        let record = loop {
            match self.consumer.peek().map_err(|fault| refused(&fault))? {
                Some(record) => break record,
                None => waiting.pause()?,
            }
        };
        let Some(buffer) = self.buffer.get_mut(..record.length()) else {
            return Err(refused(&format_args!("a record of {} bytes", record.length())));
        };
        self.consumer.copy_out(&record, 0, buffer);
        self.consumer.commit();
        take(buffer)
    }
}

fn refused(what: &dyn std::fmt::Display) -> Failure {
    Failure::Peer { peer: "ivring", what: what.to_string() }
}
