//! What a consumer knows of a record before it copies it.

use super::header::{HEADER, round_up};

/// A record found in the ring and checked. It stays there until the consumer commits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) kind: u8,
    pub(super) length: usize,
    pub(super) position: u64,
    pub(super) redelivered: bool,
}

impl Record {
    /// What the record is, from 2 to 255: for the layer above.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// Length of the payload in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Position of the record's header.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether a predecessor of this consumer may have handed the record over already.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Bytes that the record takes in the ring.
    pub(super) fn span(&self) -> u64 {
        round_up(HEADER + self.length as u64)
    }
}
