//! What a consumer knows of a record before it copies it.

use core::num::NonZeroU64;

use super::header::{HEADER, Header, round_up};

/// Set in what is known of a record that a predecessor may have handed over.
const REDELIVERED: u64 = 1 << 40;

/// A record found in the ring and checked. It stays there until the consumer commits it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record {
    position: u64,
    /// Length with the header in bits 0-31 and kind in bits 32-39, as in a header, and [`REDELIVERED`]. Two words and
    /// nothing else: that fits into registers, and what goes by way of memory costs a small message a tenth.
    known: NonZeroU64,
}

impl Record {
    /// The record at `position`, whose header has been checked.
    #[inline]
    pub(super) fn new(header: Header, position: u64, redelivered: bool) -> Self {
        let redelivered = if redelivered { REDELIVERED } else { 0 };
        let known = u64::from(header.length) | u64::from(header.kind) << 32 | redelivered;
        // A header's length is never zero, nor is its kind.
        Self { position, known: NonZeroU64::new(known).unwrap_or(NonZeroU64::MIN) }
    }

    /// What the record is, from 2 to 255: for the layer above.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> u8 {
        let [.., kind, _, _, _] = self.known.get().to_le_bytes();
        kind
    }

    /// Length of the payload in bytes.
    #[must_use]
    #[inline]
    pub fn length(&self) -> usize {
        let [a, b, c, d, ..] = self.known.get().to_le_bytes();
        (u32::from_le_bytes([a, b, c, d]) as usize).saturating_sub(8)
    }

    /// Position of the record's header.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether a predecessor of this consumer may have handed the record over already.
    #[must_use]
    #[inline]
    pub fn redelivered(&self) -> bool {
        self.known.get() & REDELIVERED != 0
    }

    /// Bytes that the record takes in the ring.
    #[inline]
    pub(super) fn span(&self) -> u64 {
        round_up(HEADER + self.length() as u64)
    }
}

impl core::fmt::Debug for Record {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind())
            .field("length", &self.length())
            .field("position", &self.position)
            .field("redelivered", &self.redelivered())
            .finish()
    }
}
