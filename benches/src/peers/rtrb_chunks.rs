//! rtrb as a ring of bytes: chunks with a length before each message, published one by one or a batch at once by hand.

use std::mem::MaybeUninit;

use crate::{
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Receiver, Sender, Shape, Together},
};

const HEADER: usize = 8;

/// A ring of bytes.
#[derive(Debug)]
pub(crate) struct Chunks<const BATCHED: bool>;

impl<const BATCHED: bool> Together for Chunks<BATCHED> {
    fn direction(shape: Shape) -> Result<(impl Sender + Send, impl Receiver + Send), Failure> {
        let (producer, consumer) = rtrb::RingBuffer::new(shape.capacity);
        let buffer = vec![0; shape.length];
        Ok((Writing::<BATCHED>(producer), Reading::<BATCHED> { consumer, most: shape.capacity / 8, buffer }))
    }
}

struct Writing<const BATCHED: bool>(rtrb::Producer<u8>);

impl<const BATCHED: bool> Sender for Writing<BATCHED> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        if BATCHED {
            return self.write(batch);
        }
        for message in batch {
            self.write(std::iter::once(message))?;
        }
        Ok(())
    }
}

impl<const BATCHED: bool> Writing<BATCHED> {
    /// Writes messages in one chunk.
    fn write<'a>(&mut self, messages: impl Iterator<Item = &'a [u8]> + Clone) -> Result<(), Failure> {
        let needed = messages.clone().map(|message| HEADER + message.len()).sum();
        let mut waiting = Patience::default();
        while self.0.write_chunk_uninit(needed).is_err() {
            waiting.pause()?;
        }
        // There is room, and nobody else writes.
        let mut chunk = self.0.write_chunk_uninit(needed).expect("the ring has room");
        let (mut first, mut second) = chunk.as_mut_slices();
        for message in messages {
            put(&mut first, &mut second, &(message.len() as u64).to_le_bytes());
            put(&mut first, &mut second, message);
        }
        assert!(first.is_empty() && second.is_empty(), "a chunk that is not full");
        // SAFETY: `put` fills the slices from their beginning, and nothing of them is left.
        unsafe { chunk.commit_all() };
        Ok(())
    }
}

/// Copies bytes to the beginning of what is left of a chunk's two slices.
#[inline]
fn put<'a>(first: &mut &'a mut [MaybeUninit<u8>], second: &mut &'a mut [MaybeUninit<u8>], bytes: &[u8]) {
    let (here, there) = bytes.split_at(bytes.len().min(first.len()));
    for (slice, bytes) in [(first, here), (second, there)] {
        if !bytes.is_empty() {
            let (place, rest) = std::mem::take(slice).split_at_mut(bytes.len());
            place.write_copy_of_slice(bytes);
            *slice = rest;
        }
    }
}

struct Reading<const BATCHED: bool> {
    consumer: rtrb::Consumer<u8>,
    /// Bytes that are given back at once.
    most: usize,
    buffer: Vec<u8>,
}

impl<const BATCHED: bool> Receiver for Reading<BATCHED> {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        // A message is published with its length.
        let least = HEADER + self.buffer.len();
        while self.consumer.cached_slots() < least && self.consumer.slots() < least {
            waiting.pause()?;
        }
        let messages = if BATCHED { self.consumer.cached_slots().min(self.most) / least } else { 1 };
        let chunk = self.consumer.read_chunk(messages.max(1) * least).map_err(|error| refused(&error))?;
        let (mut first, mut second) = chunk.as_slices();
        while !first.is_empty() || !second.is_empty() {
            let mut header = [0; HEADER];
            get(&mut first, &mut second, &mut header);
            let length = usize::try_from(u64::from_le_bytes(header)).unwrap_or(usize::MAX);
            let Some(buffer) = self.buffer.get_mut(..length) else {
                return Err(refused(&format_args!("a message of {length} bytes")));
            };
            get(&mut first, &mut second, buffer);
            take(buffer)?;
        }
        chunk.commit_all();
        Ok(())
    }
}

/// Fills `into` from the beginning of what is left of a chunk's two slices.
#[inline]
fn get<'a>(first: &mut &'a [u8], second: &mut &'a [u8], into: &mut [u8]) {
    let (here, there) = into.split_at_mut(into.len().min(first.len()));
    for (slice, into) in [(first, here), (second, there)] {
        let (bytes, rest) = slice.split_at(into.len());
        into.copy_from_slice(bytes);
        *slice = rest;
    }
}

fn refused(what: &dyn std::fmt::Display) -> Failure {
    Failure::Peer { peer: "rtrb", what: what.to_string() }
}
