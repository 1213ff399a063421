//! One life of a program, in the numbers that it gives to what it sends.

/// Marks the numbers of transfers: no position in a ring gets there.
const TRANSFER: u64 = 1 << 63;

/// Whether a message of this number goes over in fragments, so that its end is told.
pub const fn is_transfer(message: u64) -> bool {
    message & TRANSFER != 0
}

/// One life of a program on one side of a channel: of the host one epoch, of a guest one session.
///
/// It stands in the numbers of requests and transfers, so that answers to a life before this one are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation(u32);

impl Incarnation {
    /// The incarnation of the host's epoch, or of a guest's session's nonce.
    pub const fn of(word: u64) -> Self {
        let [a, b, c, d, ..] = word.to_le_bytes();
        Incarnation(u32::from_le_bytes([a, b, c, d]) & (u32::MAX >> 1))
    }

    /// Number of its request or ping.
    pub(super) const fn request(self, counter: u32) -> u64 {
        (self.0 as u64) << 32 | counter as u64
    }

    /// Number of its transfer.
    pub(super) const fn transfer(self, counter: u32) -> u64 {
        TRANSFER | self.request(counter)
    }

    /// Whether this transfer is one of its own.
    pub(super) const fn began(self, transfer: u64) -> bool {
        transfer >> 32 == self.transfer(0) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_know_who_began_them() {
        let (one, other) = (Incarnation::of(0xffff_ffff_8000_0007), Incarnation::of(8));
        assert_eq!(one.request(3), 7 << 32 | 3);
        assert!(one.began(one.transfer(u32::MAX)) && !one.began(other.transfer(3)));
        assert!(!one.began(one.request(3)));
    }
}
