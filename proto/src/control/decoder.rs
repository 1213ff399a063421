//! Takes frames out of a stream of bytes.

use std::io::{self, Read};

use super::frame::{Frame, FrameError, PREFIX, lengths};

/// Free room a read is offered at least, in bytes.
const CHUNK: usize = 16 << 10;
/// A decoder that is empty keeps no more memory than this, in bytes.
const KEPT: usize = 64 << 10;
/// A body longer than this is read to where it stays, in bytes. The tests cut short ones into many reads.
const LONG: usize = if cfg!(test) { 100 } else { 64 << 10 };
/// What one read of a long body may give at most, in bytes.
const WINDOW: usize = 256 << 10;

/// Takes frames out of a stream of bytes, however they were cut into reads.
///
/// Memory grows with the bytes that arrived, at most twofold, never with a length that was only announced.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Storage; `start..end` holds what isn't decoded yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The first frame that isn't taken yet, when its body is long; what is in the buffer comes after it.
    long: Option<LongFrame>,
}

impl Decoder {
    /// An empty decoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads once from `source` and returns the number of bytes; 0 means its end. Blocks as `source` does.
    ///
    /// # Errors
    /// Those of `source`, `WouldBlock` and `Interrupted` among them.
    pub fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.begin_long();
        if let Some(long) = &mut self.long
            && !long.is_whole()
        {
            return long.read_from(source);
        }
        self.make_room();
        let read = source.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// The next complete frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError`] when a length is out of bounds. The stream has lost its frames then and must be closed; every
    /// further call gives the same error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        self.begin_long();
        if let Some(long) = &self.long {
            let whole = long.is_whole();
            return Ok(self.long.take_if(|_| whole).map(LongFrame::into_frame));
        }
        let Some((header, body)) = lengths(self.bytes())? else { return Ok(None) };
        let total = PREFIX + header + body;
        let Some(frame) = self.bytes().get(PREFIX..total) else { return Ok(None) };
        let (header, body) = frame.split_at(header);
        let frame = Frame { header: header.to_vec(), body: body.to_vec() };
        self.start += total;
        Ok(Some(frame))
    }

    /// Whether [`Decoder::next_frame`] would give something, be it an error, without another read.
    pub fn has_next(&self) -> bool {
        if let Some(long) = &self.long {
            return long.is_whole();
        }
        match lengths(self.bytes()) {
            Ok(None) => false,
            Ok(Some((header, body))) => self.bytes().len() >= PREFIX + header + body,
            Err(_) => true,
        }
    }

    /// Length of the frame that is not complete yet, as far as it is announced: what it will take to hold it.
    pub(super) fn announced(&self) -> usize {
        match &self.long {
            Some(long) => long.header.len() + long.length,
            None => lengths(self.bytes()).ok().flatten().map_or(0, |(header, body)| header + body),
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes the next frame out of the buffer once its header is there, if its body is long: what follows of the body is
    /// read to its place, and neither moved nor copied.
    fn begin_long(&mut self) {
        if self.long.is_some() {
            return;
        }
        let Ok(Some((header, length))) = lengths(self.bytes()) else { return };
        let Some(arrived) = self.bytes().get(PREFIX..).filter(|rest| length > LONG && rest.len() >= header)
        else {
            return;
        };
        let (header, rest) = arrived.split_at(header);
        let body = &rest[..rest.len().min(length)];
        let taken = PREFIX + header.len() + body.len();
        self.long = Some(LongFrame { header: header.to_vec(), body: body.to_vec(), length });
        self.start += taken;
    }

    /// Leaves at least [`CHUNK`] bytes free behind `end`.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = Vec::new();
            }
        }
        if self.buffer.len() - self.end >= CHUNK {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        // Doubling keeps the copies of a long header linear in its length.
        let size = (2 * self.end).max(self.end + CHUNK).max(self.buffer.len());
        self.buffer.resize(size, 0);
    }
}

/// A frame whose body comes in.
#[derive(Debug)]
struct LongFrame {
    header: Vec<u8>,
    /// As much as has arrived.
    body: Vec<u8>,
    /// How much it will be.
    length: usize,
}

impl LongFrame {
    fn is_whole(&self) -> bool {
        self.body.len() == self.length
    }

    fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        let arrived = self.body.len();
        // Twice what is there at most, so that memory follows what arrives; and no more than it will be.
        let target = (2 * arrived).max(arrived + CHUNK).min(self.length);
        if self.body.capacity() < target {
            self.body.reserve_exact(target - arrived);
        }
        self.body.resize(self.body.capacity().min(self.length).min(arrived + WINDOW), 0);
        let read = source.read(&mut self.body[arrived..]);
        self.body.truncate(arrived + read.as_ref().copied().unwrap_or(0));
        read
    }

    fn into_frame(self) -> Frame {
        Frame { header: self.header, body: self.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{MAX_BODY, encode};
    use proptest::prelude::*;
    use serde_json::json;

    /// A source that hands out its bytes in pieces of the given sizes.
    struct Pieces<'a>(&'a [u8], std::vec::IntoIter<usize>);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = self.1.next().unwrap_or(usize::MAX).min(self.0.len()).min(into.len());
            into[..piece].copy_from_slice(&self.0[..piece]);
            self.0 = &self.0[piece..];
            Ok(piece)
        }
    }

    #[test]
    fn an_announced_length_costs_no_memory() {
        for (announced, taken) in [(&b"\0\0\0\0\0\0\0\x01"[..], 1 << 24), (b"\0\0\x01\0\0\0\0\0", 1 << 16)] {
            let mut decoder = Decoder::new();
            decoder.read_from(&mut &announced[..]).unwrap();
            assert!(decoder.next_frame().unwrap().is_none());
            assert_eq!(decoder.announced(), taken);
            decoder.read_from(&mut &[1; 10][..]).unwrap();
            let held = decoder.buffer.capacity() + decoder.long.map_or(0, |long| long.body.capacity());
            assert!(held <= 4 * CHUNK, "{held}");
        }
    }

    #[test]
    fn a_long_frame_is_given_back_and_so_is_its_memory() {
        let mut bytes = Vec::new();
        encode(&json!({}), &vec![7; MAX_BODY], &mut bytes).unwrap();
        encode(&json!("next"), b"short", &mut bytes).unwrap();
        let mut source = &bytes[..];
        let mut decoder = Decoder::new();
        while !decoder.has_next() {
            decoder.read_from(&mut source).unwrap();
            if let Some(long) = &decoder.long {
                assert!(long.body.capacity() <= (2 * long.body.len()).max(2 * CHUNK));
            }
            assert!(decoder.buffer.capacity() <= KEPT);
        }
        assert_eq!(decoder.next_frame().unwrap().unwrap().body, vec![7; MAX_BODY]);
        while !source.is_empty() {
            decoder.read_from(&mut source).unwrap();
        }
        assert_eq!(decoder.next_frame().unwrap().unwrap().body, b"short");
        assert!(decoder.long.is_none() && decoder.buffer.capacity() <= KEPT);
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            frames in proptest::collection::vec((".{0,40}", proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
            pieces in proptest::collection::vec(1usize..50, 0..400),
        ) {
            let mut bytes = Vec::new();
            for (text, body) in &frames {
                encode(text, body, &mut bytes).unwrap();
            }
            let mut source = Pieces(&bytes, pieces.into_iter());
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            while decoder.read_from(&mut source).unwrap() > 0 {
                let expected = decoder.has_next();
                let before = got.len();
                while let Some(frame) = decoder.next_frame().unwrap() {
                    got.push((serde_json::from_slice::<String>(&frame.header).unwrap(), frame.body));
                }
                prop_assert_eq!(expected, got.len() > before);
            }
            prop_assert_eq!(got, frames);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut source = &bytes[..];
            let mut decoder = Decoder::new();
            while decoder.read_from(&mut source).unwrap() > 0 {
                while let Ok(Some(frame)) = decoder.next_frame() {
                    prop_assert!(frame.header.len() + frame.body.len() <= bytes.len());
                }
            }
        }
    }
}
