//! Space in a ring, to be filled in place.

use super::{class::Class, producer::Producer};
use crate::memory::Memory;

/// A record that is being written, straight into the ring: see [`Producer::claim`].
///
/// [`commit`](Self::commit) appends it to the open batch. Dropped without that, it never was: nothing of it is ever seen.
#[derive(Debug)]
#[must_use = "a claim that is not committed is given up"]
pub struct Claim<'p, M: Memory> {
    pub(super) producer: &'p mut Producer<M>,
    pub(super) room: Room,
}

/// Where a record goes, and what it will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) kind: u8,
    pub(super) class: Class,
    /// Bytes of the payload.
    pub(super) payload: usize,
    /// Bytes of the padding before the record.
    pub(super) padding: u64,
    /// Where the payload lies in the region.
    pub(super) at: u64,
}

impl<M: Memory> Claim<'_, M> {
    /// Bytes of the payload.
    #[must_use]
    pub fn length(&self) -> usize {
        self.room.payload
    }

    /// Writes `bytes` into the payload from `offset` on. Pieces may come in any order, and again.
    ///
    /// # Panics
    ///
    /// When the payload ends before the bytes do.
    // In line, and with no address of it given away, a claim stays in registers.
    #[inline(always)]
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let payload = self.room.payload;
        if offset.checked_add(bytes.len()).is_none_or(|end| end > payload) {
            refuse(offset, bytes.len(), payload);
        }
        self.producer.write(self.room.at + offset as u64, bytes);
    }

    /// Appends the record to the open batch and returns its position: [`Producer::flush`] publishes it. What was not
    /// written holds whatever the ring held there, which the consumer could read before.
    #[inline]
    pub fn commit(self) -> u64 {
        self.producer.append(self.room)
    }
}

#[cold]
#[inline(never)]
fn refuse(offset: usize, length: usize, payload: usize) -> ! {
    panic!("{length} bytes at {offset} of a payload of {payload}")
}
