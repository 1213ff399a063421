//! A record's payload where it lies.

use super::{header::HEADER, lane::Lane, record::Record};
use crate::memory::Memory;

/// The payload of the record at hand, still in the ring: see [`Consumer::view`](super::Consumer::view).
///
/// It gives copies, never a reference: the producer may be hostile and change the bytes at any moment. For the same reason
/// two looks at the same bytes may differ. What a decision rests on is copied once, checked there and used from there.
#[derive(Clone, Copy, Debug)]
pub struct View<'c, M> {
    memory: &'c M,
    /// Where the payload lies in the region.
    at: u64,
    length: usize,
}

impl<'c, M: Memory> View<'c, M> {
    /// Of the record whose header is at `offset` of the ring.
    #[inline]
    pub(super) fn new(lane: &'c Lane<M>, offset: u64, record: &Record) -> Self {
        Self { memory: &lane.memory, at: lane.data(offset) + HEADER, length: record.length() }
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The payload without its first `offset` bytes.
    ///
    /// # Panics
    ///
    /// When the payload ends before them.
    #[must_use]
    pub fn after(&self, offset: usize) -> Self {
        assert!(offset <= self.length, "nothing is behind {offset} bytes of a payload of {}", self.length);
        Self { at: self.at + offset as u64, length: self.length - offset, ..*self }
    }

    /// Copies bytes from `offset` on, filling `into`.
    ///
    /// # Panics
    ///
    /// When the payload ends before the bytes asked for.
    #[inline]
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) {
        let end = offset.checked_add(into.len());
        assert!(
            end.is_some_and(|end| end <= self.length),
            "{} bytes at {offset} of a payload of {}",
            into.len(),
            self.length
        );
        self.memory.copy_out(self.at + offset as u64, into);
    }

    /// The eight bytes from `offset` on as a little-endian number.
    ///
    /// # Panics
    ///
    /// When the payload ends before them.
    #[must_use]
    #[inline]
    pub fn word(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        self.copy_to(offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The whole payload, piece after piece in `buffer`: as many bytes at a time as that holds, and fewer at the end.
    ///
    /// # Panics
    ///
    /// When `buffer` is empty.
    pub fn chunks<'b>(&self, buffer: &'b mut [u8]) -> Chunks<'c, 'b, M> {
        assert!(!buffer.is_empty(), "no room for a piece");
        Chunks { view: View { ..*self }, buffer, done: 0 }
    }
}

/// A payload in pieces, see [`View::chunks`]. No iterator: each piece is in the same place as the one before.
#[derive(Debug)]
pub struct Chunks<'c, 'b, M> {
    view: View<'c, M>,
    buffer: &'b mut [u8],
    done: usize,
}

impl<M: Memory> Chunks<'_, '_, M> {
    /// The next piece, a private copy; nothing at the end.
    #[inline]
    pub fn next_chunk(&mut self) -> Option<&[u8]> {
        let length = self.buffer.len().min(self.view.length - self.done);
        let chunk = &mut self.buffer[..length];
        if chunk.is_empty() {
            return None;
        }
        self.view.copy_to(self.done, chunk);
        self.done += chunk.len();
        Some(chunk)
    }
}
