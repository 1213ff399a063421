//! How much of what clients are sending the server holds before it is whole.

use std::collections::VecDeque;

use super::server::ClientId;

/// Bytes that the long frames of all clients may take together while they come in.
pub const MAX_INCOMING: usize = 256 << 20;
/// A frame that takes no more than this is read without a reservation, in bytes.
const SHARE: usize = 128 << 10;

/// Reservations for long frames. Whoever finds no room waits and is not read from; first come, first served.
#[derive(Debug, Default)]
pub(super) struct Intake {
    reserved: usize,
    waiting: VecDeque<ClientId>,
}

impl Intake {
    /// Whether a frame of so many bytes needs a reservation.
    pub(super) fn is_long(bytes: usize) -> bool {
        bytes > SHARE
    }

    /// Reserves so many bytes, or lets the client wait for its turn; says whether they are reserved.
    pub(super) fn reserve(&mut self, client: ClientId, bytes: usize) -> bool {
        let is_next = self.waiting.front().is_none_or(|&first| first == client);
        if is_next && self.reserved + bytes <= MAX_INCOMING {
            self.reserved += bytes;
            self.forget(client);
            return true;
        }
        if !self.waiting.contains(&client) {
            self.waiting.push_back(client);
        }
        false
    }

    /// Gives back what was reserved.
    pub(super) fn release(&mut self, bytes: usize) {
        self.reserved -= bytes;
    }

    /// The client does not wait any more.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.waiting.retain(|&waiting| waiting != client);
    }

    /// Whether anybody waits.
    pub(super) fn is_short(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_first_is_served_first() {
        let [a, b, c] = [1, 2, 3].map(ClientId::for_test);
        let mut intake = Intake::default();
        assert!(intake.reserve(a, MAX_INCOMING - 10));
        assert!(!intake.reserve(b, 100));
        assert!(!intake.reserve(c, 1), "it would fit, but another is before it");
        assert!(intake.is_short());
        intake.release(MAX_INCOMING - 10);
        assert!(!intake.reserve(c, 1));
        assert!(intake.reserve(b, 100) && intake.reserve(c, 1));
        assert!(!intake.is_short());
    }

    #[test]
    fn who_has_gone_is_in_nobodys_way() {
        let [a, b, c] = [1, 2, 3].map(ClientId::for_test);
        let mut intake = Intake::default();
        assert!(intake.reserve(a, MAX_INCOMING));
        assert!(!intake.reserve(b, 100) && !intake.reserve(c, 100));
        intake.release(MAX_INCOMING);
        intake.forget(b);
        assert!(intake.reserve(c, 100));
    }
}
