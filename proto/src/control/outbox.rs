//! What waits to be written to one client.

use std::io::{self, Write};

/// Events wait up to this many bytes; more are dropped and counted.
const EVENT_LIMIT: usize = 4 << 20;
/// After a loss events are taken again below this, so that losses come in few large gaps and not in many small ones.
const EVENT_RESUME: usize = EVENT_LIMIT / 2;
/// Responses wait up to this many bytes; a client with more unread isn't reading at all.
const HARD_LIMIT: usize = 136 << 20;
/// An outbox that is empty keeps no more memory than this, in bytes.
const KEPT: usize = 64 << 10;

/// A bounded queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    written: usize,
    /// Events dropped since the client was last told.
    lost: u64,
}

impl Outbox {
    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether the client is so far behind that nothing more should be done for it until it reads.
    pub(super) fn is_backed_up(&self) -> bool {
        self.waiting() > EVENT_LIMIT
    }

    /// Appends a response; `false` when there is no room, and the client is to be closed.
    pub(super) fn push_response(&mut self, frame: &[u8]) -> bool {
        let fits = self.waiting() + frame.len() <= HARD_LIMIT;
        if fits {
            self.append(frame);
        }
        fits
    }

    /// Appends an event, or counts it as lost. `false` when it was lost.
    ///
    /// A loss is told first: call [`Outbox::take_lost`] before. A frame longer than the limit goes when nothing waits.
    pub(super) fn push_event(&mut self, frame: &[u8]) -> bool {
        let fits = self.lost == 0 && self.has_room(frame.len(), EVENT_LIMIT);
        if fits {
            self.append(frame);
        } else {
            self.lost += 1;
        }
        fits
    }

    /// The number of events lost, once there is room to say so; counts from 0 then. The caller tells the client.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        (self.lost > 0 && self.waiting() <= EVENT_RESUME).then(|| std::mem::take(&mut self.lost))
    }

    /// Writes until nothing waits or `to` would block.
    pub(super) fn write_to(&mut self, to: &mut impl Write) -> io::Result<()> {
        while self.waiting() > 0 {
            match to.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.written = 0;
        Ok(())
    }

    fn has_room(&self, length: usize, limit: usize) -> bool {
        self.waiting() == 0 || self.waiting() + length <= limit
    }

    fn append(&mut self, frame: &[u8]) {
        // Moving only when half is written keeps the copies linear in what passes through.
        if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then would block.
    struct Pipe(Vec<u8>, usize);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..count]);
            self.1 -= count;
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut outbox = Outbox::default();
        let mut pipe = Pipe(Vec::new(), 0);
        let mut all = Vec::new();
        for round in 0..2000_usize {
            let frame = vec![u8::try_from(round % 251).unwrap(); round % 97];
            all.extend_from_slice(&frame);
            assert!(outbox.push_response(&frame));
            pipe.1 = round * 7 % 90;
            outbox.write_to(&mut pipe).unwrap();
            assert_eq!(pipe.0.len() + outbox.waiting(), all.len());
        }
        pipe.1 = all.len();
        outbox.write_to(&mut pipe).unwrap();
        assert_eq!(pipe.0, all);
    }

    #[test]
    fn events_beyond_the_limit_are_counted_and_told() {
        let mut outbox = Outbox::default();
        let frame = vec![0; EVENT_LIMIT / 4];
        for _ in 0..4 {
            assert!(outbox.push_event(&frame));
        }
        assert!(!outbox.push_event(&[0]));
        assert!(!outbox.push_event(&[0]));
        assert_eq!(outbox.take_lost(), None);
        outbox.write_to(&mut Pipe(Vec::new(), EVENT_LIMIT / 4)).unwrap();
        assert!(!outbox.push_event(&[0]), "a gap stays open until half is read");
        outbox.write_to(&mut Pipe(Vec::new(), EVENT_LIMIT / 4)).unwrap();
        assert_eq!(outbox.take_lost(), Some(3));
        assert_eq!(outbox.take_lost(), None);
        assert!(outbox.push_event(&[0]));
    }

    #[test]
    fn an_event_longer_than_the_limit_goes_alone() {
        let mut outbox = Outbox::default();
        let long = vec![0; EVENT_LIMIT + 1];
        assert!(outbox.push_event(&long));
        assert!(outbox.is_backed_up());
        assert!(!outbox.push_event(&[0]));
    }

    #[test]
    fn responses_are_bounded() {
        let mut outbox = Outbox::default();
        let frame = vec![0; HARD_LIMIT / 2];
        assert!(outbox.push_response(&frame));
        assert!(outbox.push_response(&frame));
        assert!(!outbox.push_response(&[0]));
        assert_eq!(outbox.waiting(), HARD_LIMIT);
    }
}
