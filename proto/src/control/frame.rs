//! One frame: two lengths, a JSON header and raw bytes.
//!
//! ```text
//! 0        4        8                    8 + header            8 + header + body
//! | header | body   | JSON object, UTF-8 | bytes, any content  |
//! | u32 LE | u32 LE | header bytes       | body bytes          |
//! ```

use std::io::{self, Read};

use serde::Serialize;

/// Longest JSON header in bytes: room for a list of some thousand guests.
pub const MAX_HEADER: usize = 1 << 20;
/// Longest body in bytes.
pub const MAX_BODY: usize = 64 << 20;
/// The two lengths in front, in bytes.
const PREFIX: usize = 8;
/// Free room a read is offered at least, in bytes.
const CHUNK: usize = 16 << 10;
/// A decoder that is empty keeps no more memory than this, in bytes.
const KEPT: usize = 64 << 10;

/// One frame as it arrived; the header isn't parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The JSON object, not checked.
    pub header: Vec<u8>,
    /// The bytes behind it.
    pub body: Vec<u8>,
}

/// Why bytes are no frame, or can't become one.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The header is longer than [`MAX_HEADER`].
    #[error("frame header of {0} bytes, at most {MAX_HEADER} are allowed; is this a control socket's frame?")]
    HeaderTooLong(usize),
    /// The body is longer than [`MAX_BODY`].
    #[error("frame body of {0} bytes, at most {MAX_BODY} are allowed; send it in parts")]
    BodyTooLong(usize),
    /// The header is no JSON object of the expected shape, or can't be written as one.
    #[error("frame header is not what is expected here: {0}")]
    Header(#[from] serde_json::Error),
}

/// Appends one frame to `into`; on an error `into` is as before.
///
/// # Errors
/// [`FrameError`] when header or body is too long, or when the header can't be written as JSON.
pub fn encode(header: &impl Serialize, body: &[u8], into: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = into.len();
    let written = append(header, body, into, start);
    if written.is_err() {
        into.truncate(start);
    }
    written
}

fn append(header: &impl Serialize, body: &[u8], into: &mut Vec<u8>, start: usize) -> Result<(), FrameError> {
    let body_length = bounded(body.len(), MAX_BODY).ok_or(FrameError::BodyTooLong(body.len()))?;
    into.extend_from_slice(&[0; PREFIX]);
    serde_json::to_writer(&mut *into, header)?;
    let length = into.len() - start - PREFIX;
    let header_length = bounded(length, MAX_HEADER).ok_or(FrameError::HeaderTooLong(length))?;
    into[start..start + 4].copy_from_slice(&header_length.to_le_bytes());
    into[start + 4..start + PREFIX].copy_from_slice(&body_length.to_le_bytes());
    into.extend_from_slice(body);
    Ok(())
}

/// `length` as it is sent, when it is within `limit`.
fn bounded(length: usize, limit: usize) -> Option<u32> {
    u32::try_from(length).ok().filter(|_| length <= limit)
}

/// Takes frames out of a stream of bytes, however they were cut into reads.
///
/// Memory grows with the bytes that arrived, at most twofold, never with a length that was only announced.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Storage; `start..end` holds what isn't decoded yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
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
        let Some((header, body)) = self.lengths()? else { return Ok(None) };
        let bytes = &self.buffer[self.start..self.end];
        let total = PREFIX + header + body;
        if bytes.len() < total {
            return Ok(None);
        }
        let frame = Frame {
            header: bytes[PREFIX..PREFIX + header].to_vec(),
            body: bytes[PREFIX + header..total].to_vec(),
        };
        self.start += total;
        Ok(Some(frame))
    }

    /// Whether [`Decoder::next_frame`] would give something, be it an error, without another read.
    pub fn has_next(&self) -> bool {
        match self.lengths() {
            Ok(None) => false,
            Ok(Some((header, body))) => self.end - self.start >= PREFIX + header + body,
            Err(_) => true,
        }
    }

    /// The checked lengths in front, once they are there.
    fn lengths(&self) -> Result<Option<(usize, usize)>, FrameError> {
        let Some((prefix, _)) = self.buffer[self.start..self.end].split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h] = *prefix;
        let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        let (header, body) = (length([a, b, c, d]), length([e, f, g, h]));
        if header > MAX_HEADER {
            return Err(FrameError::HeaderTooLong(header));
        }
        if body > MAX_BODY {
            return Err(FrameError::BodyTooLong(body));
        }
        Ok(Some((header, body)))
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
        // Doubling keeps the copies of a long body linear in its length.
        let size = (2 * self.end).max(self.end + CHUNK).max(self.buffer.len());
        self.buffer.resize(size, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn bytes_of_a_frame_are_pinned() {
        let mut bytes = Vec::new();
        encode(&json!({"id": 1}), b"xyz", &mut bytes).unwrap();
        assert_eq!(bytes, b"\x08\0\0\0\x03\0\0\0{\"id\":1}xyz");
    }

    #[test]
    fn lengths_are_bounded_both_ways() {
        let mut bytes = b"before".to_vec();
        assert!(matches!(
            encode(&json!({}), &vec![0; MAX_BODY + 1], &mut bytes),
            Err(FrameError::BodyTooLong(length)) if length == MAX_BODY + 1
        ));
        let long = "x".repeat(MAX_HEADER);
        assert!(matches!(encode(&json!(long), b"", &mut bytes), Err(FrameError::HeaderTooLong(_))));
        assert_eq!(bytes, b"before");

        for (header, body, fine) in [
            (MAX_HEADER, MAX_BODY, true),
            (MAX_HEADER + 1, 0, false),
            (0, MAX_BODY + 1, false),
            (usize::MAX, usize::MAX, false),
        ] {
            let low = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
            let prefix = [low(header), low(body)].concat();
            let mut decoder = Decoder::new();
            decoder.read_from(&mut &prefix[..]).unwrap();
            assert_eq!(decoder.next_frame().is_ok(), fine);
            assert_eq!(decoder.has_next(), !fine);
        }
    }

    #[test]
    fn an_announced_length_costs_no_memory() {
        let mut decoder = Decoder::new();
        decoder.read_from(&mut &b"\0\0\0\0\0\0\0\x01"[..]).unwrap();
        assert!(decoder.next_frame().unwrap().is_none());
        assert!(decoder.buffer.len() <= 2 * CHUNK);
    }

    #[test]
    fn a_long_frame_is_given_back() {
        let mut bytes = Vec::new();
        encode(&json!({}), &vec![7; MAX_BODY], &mut bytes).unwrap();
        let mut source = &bytes[..];
        let mut decoder = Decoder::new();
        while !source.is_empty() {
            decoder.read_from(&mut source).unwrap();
        }
        assert!(decoder.buffer.len() <= 2 * bytes.len() + CHUNK);
        assert_eq!(decoder.next_frame().unwrap().unwrap().body.len(), MAX_BODY);
        decoder.read_from(&mut &b""[..]).unwrap();
        assert!(decoder.buffer.capacity() <= KEPT);
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
