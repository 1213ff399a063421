//! A ring alone in a memory: its lines, then its records.

use ivring_proto::layout::RingPlace;

/// Where a ring of `capacity` bytes lies.
pub fn place(capacity: u64) -> RingPlace {
    RingPlace { producer: 0, consumer: 128, data: 256, capacity }
}

/// Bytes that such a memory needs.
pub fn size(capacity: u64) -> usize {
    usize::try_from(256 + capacity).unwrap()
}
