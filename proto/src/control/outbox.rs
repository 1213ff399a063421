//! What waits to be written to one client.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use super::frame::{MAX_BODY, MAX_HEADER};

/// A frame longer than this is long, in bytes.
pub(super) const LONG: usize = 1 << 20;
/// Short events wait up to this many bytes; more are dropped and counted.
const SHORT_LIMIT: usize = 4 << 20;
/// After a loss events are taken again below this, so that losses come in few large gaps and not in many small ones.
const SHORT_RESUME: usize = SHORT_LIMIT / 2;
/// Long events wait up to this many bytes: two of the longest.
const LONG_LIMIT: usize = 2 * (MAX_BODY + MAX_HEADER + 8);
/// Everything together; a client with more unread isn't reading at all.
const HARD_LIMIT: usize = LONG_LIMIT + SHORT_LIMIT;
/// Short frames are put together up to about this length, in bytes.
const TOGETHER: usize = 64 << 10;

/// Bytes that wait.
#[derive(Debug)]
enum Piece {
    /// Short frames, one after the other.
    Short(Vec<u8>),
    /// One long frame, which other clients may be sent, too.
    Long(Arc<Vec<u8>>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Short(bytes) => bytes,
            Piece::Long(frame) => frame,
        }
    }
}

/// A bounded queue of frames.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// How many bytes of the first piece are written.
    written: usize,
    /// Bytes of all short frames in the queue, less those written.
    short: usize,
    /// Bytes of all long frames in the queue, less those written.
    long: usize,
    /// Events dropped since the client was last told.
    lost: u64,
}

impl Outbox {
    /// Bytes of short frames that wait.
    pub(super) fn short(&self) -> usize {
        self.short
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.short + self.long
    }

    /// Whether the client is so far behind that nothing more should be done for it until it reads.
    pub(super) fn is_backed_up(&self) -> bool {
        self.waiting() > SHORT_LIMIT
    }

    /// Appends a response; `false` when there is no room, and the client is to be closed.
    pub(super) fn push_response(&mut self, frame: &Arc<Vec<u8>>) -> bool {
        let fits = self.waiting() + frame.len() <= HARD_LIMIT;
        if fits {
            self.append(frame);
        }
        fits
    }

    /// Appends an event if there is room for it; says whether there was. Never with a loss that is still to be told.
    pub(super) fn push_event(&mut self, frame: &Arc<Vec<u8>>) -> bool {
        let fits = self.lost == 0
            && match frame.len() > LONG {
                true => self.long + frame.len() <= LONG_LIMIT,
                false => self.short + frame.len() <= SHORT_LIMIT,
            };
        if fits {
            self.append(frame);
        }
        fits
    }

    /// Counts an event as lost.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
    }

    /// The number of events lost, once there is room to say so; counts from 0 then. The caller tells the client.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        let resumes = self.short <= SHORT_RESUME && self.long <= LONG_LIMIT / 2;
        (self.lost > 0 && resumes).then(|| std::mem::take(&mut self.lost))
    }

    /// Writes until nothing waits or `to` would block; says whether anything was written.
    pub(super) fn write_to(&mut self, to: &mut impl Write) -> io::Result<bool> {
        let before = self.waiting();
        while let Some(piece) = self.pieces.front() {
            match to.write(&piece.bytes()[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.wrote(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.waiting() < before)
    }

    fn wrote(&mut self, count: usize) {
        let Some(piece) = self.pieces.front() else { return };
        match piece {
            Piece::Short(_) => self.short -= count,
            Piece::Long(_) => self.long -= count,
        }
        self.written += count;
        if self.written == piece.bytes().len() {
            self.pieces.pop_front();
            self.written = 0;
        }
    }

    fn append(&mut self, frame: &Arc<Vec<u8>>) {
        if frame.len() > LONG {
            self.long += frame.len();
            self.pieces.push_back(Piece::Long(Arc::clone(frame)));
            return;
        }
        self.short += frame.len();
        match self.pieces.back_mut() {
            Some(Piece::Short(bytes)) if bytes.len() < TOGETHER => bytes.extend_from_slice(frame),
            _ => self.pieces.push_back(Piece::Short(frame.to_vec())),
        }
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

    fn frame(length: usize) -> Arc<Vec<u8>> {
        Arc::new(vec![0; length])
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut outbox = Outbox::default();
        let mut pipe = Pipe(Vec::new(), 0);
        let mut all = Vec::new();
        for round in 0..2000_usize {
            let length = if round % 500 == 7 { LONG + round } else { round % 97 };
            let frame = vec![u8::try_from(round % 251).unwrap(); length];
            all.extend_from_slice(&frame);
            assert!(outbox.push_response(&Arc::new(frame)));
            pipe.1 = round * 7 % 90;
            outbox.write_to(&mut pipe).unwrap();
            assert_eq!(pipe.0.len() + outbox.waiting(), all.len());
        }
        pipe.1 = all.len();
        outbox.write_to(&mut pipe).unwrap();
        assert_eq!((pipe.0 == all, outbox.waiting(), outbox.pieces.len()), (true, 0, 0));
    }

    #[test]
    fn events_beyond_the_limit_are_counted_and_told() {
        let mut outbox = Outbox::default();
        for _ in 0..SHORT_LIMIT / LONG {
            assert!(outbox.push_event(&frame(LONG)));
        }
        for _ in 0..2 {
            assert!(!outbox.push_event(&frame(1)));
            outbox.lose();
        }
        assert_eq!(outbox.take_lost(), None);
        outbox.write_to(&mut Pipe(Vec::new(), LONG)).unwrap();
        assert!(!outbox.push_event(&frame(1)), "a gap stays open until half is read");
        outbox.lose();
        outbox.write_to(&mut Pipe(Vec::new(), SHORT_LIMIT)).unwrap();
        assert_eq!(outbox.take_lost(), Some(3));
        assert_eq!(outbox.take_lost(), None);
        assert!(outbox.push_event(&frame(1)));
    }

    #[test]
    fn long_events_do_not_take_the_room_of_short_ones() {
        let mut outbox = Outbox::default();
        let long = frame(MAX_BODY + 100);
        assert!(outbox.push_event(&long) && outbox.push_event(&long));
        assert!(outbox.is_backed_up());
        assert!(outbox.push_event(&frame(LONG)));
        assert!(!outbox.push_event(&long));
        assert_eq!(Arc::strong_count(&long), 3, "it is not copied");
    }

    #[test]
    fn responses_are_bounded() {
        let mut outbox = Outbox::default();
        let half = frame(HARD_LIMIT / 2);
        assert!(outbox.push_response(&half) && outbox.push_response(&half));
        assert!(!outbox.push_response(&frame(2)));
        assert!(outbox.waiting() <= HARD_LIMIT);
    }
}
