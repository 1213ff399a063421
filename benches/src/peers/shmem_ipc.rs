//! shmem-ipc's ring of bytes in a sealed file: polled, without the descriptors that it can wake with, and with a length
//! before each message, for it has no messages of its own.

use std::{fs::File, slice};

use shmem_ipc::sharedring;

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
};

const HEADER: usize = 8;

/// The ring.
#[derive(Debug)]
pub(crate) struct SharedRing;

impl Apart for SharedRing {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let (sending, receiving) = match side {
            Side::Driver => {
                let sending = offer(cord, shape)?;
                (sending, accept(cord, shape)?)
            }
            Side::Partner => {
                let receiving = accept(cord, shape)?;
                (offer(cord, shape)?, receiving)
            }
        };
        let frame = vec![0; HEADER + shape.length];
        Ok((Sending { ring: sending, frame: frame.clone() }, Receiving { ring: receiving, frame }))
    }
}

/// Makes a ring to send with, and gives it to the other side.
fn offer(cord: &Cord, shape: Shape) -> Result<sharedring::Sender<u8>, Failure> {
    let ring = sharedring::Sender::new(shape.capacity).map_err(|error| refused(&error))?;
    cord.give(ring.memfd().as_file())?;
    cord.give(ring.empty_signal())?;
    cord.give(ring.full_signal())?;
    Ok(ring)
}

/// Takes the ring that the other side made.
fn accept(cord: &Cord, shape: Shape) -> Result<sharedring::Receiver<u8>, Failure> {
    let [memory, empty, full] =
        [File::from(cord.take()?), File::from(cord.take()?), File::from(cord.take()?)];
    sharedring::Receiver::open(shape.capacity, memory, empty, full).map_err(|error| refused(&error))
}

struct Sending {
    ring: sharedring::Sender<u8>,
    /// For a frame that goes over the ring's end.
    frame: Vec<u8>,
}

impl Sender for Sending {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        let Self { ring, frame } = self;
        let ring = ring.sender_mut();
        for message in batch {
            let needed = HEADER + message.len();
            let mut waiting = Patience::default();
            while ring.write_count().map_err(|error| refused(&error))? < needed {
                waiting.pause()?;
            }
            let mut written = 0;
            // A second time only for what begins the ring again.
            while written < needed {
                let from = written;
                let write = |place: *mut u8, room: usize| {
                    // SAFETY: the ring gives out `room` bytes of its mapping, from which its count keeps the other side away
                    // until this closure has returned; nobody else has the file.
                    let room = unsafe { slice::from_raw_parts_mut(place, room) };
                    let length = room.len().min(needed - from);
                    if length == needed {
                        fill(&mut room[..needed], message);
                    } else {
                        fill(&mut frame[..needed], message);
                        room[..length].copy_from_slice(&frame[from..][..length]);
                    }
                    written = from + length;
                    length
                };
                ring.send(write).map_err(|error| refused(&error))?;
            }
        }
        Ok(())
    }
}

/// Writes a message with its length before it.
fn fill(frame: &mut [u8], message: &[u8]) {
    frame[..HEADER].copy_from_slice(&(message.len() as u64).to_le_bytes());
    frame[HEADER..].copy_from_slice(message);
}

struct Receiving {
    ring: sharedring::Receiver<u8>,
    frame: Vec<u8>,
}

impl Receiver for Receiving {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let Self { ring, frame } = self;
        let ring = ring.receiver_mut();
        let mut waiting = Patience::default();
        while ring.read_count().map_err(|error| refused(&error))? < frame.len() {
            waiting.pause()?;
        }
        let mut read = 0;
        while read < frame.len() {
            let from = read;
            let copy = |place: *const u8, there: usize| {
                // SAFETY: the ring gives out `there` bytes of its mapping, from which its count keeps the other side away until
                // this closure has returned; nobody else has the file.
                let there = unsafe { slice::from_raw_parts(place, there) };
                let length = there.len().min(frame.len() - from);
                frame[from..from + length].copy_from_slice(&there[..length]);
                read = from + length;
                length
            };
            ring.recv(copy).map_err(|error| refused(&error))?;
        }
        let (header, message) = frame.split_at(HEADER);
        if header != (message.len() as u64).to_le_bytes() {
            return Err(refused(&format_args!("a message of length {header:?}")));
        }
        take(message)
    }
}

fn refused(what: &dyn std::fmt::Display) -> Failure {
    Failure::Peer { peer: "shmem-ipc", what: what.to_string() }
}
