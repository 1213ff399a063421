//! One frame: two lengths, a JSON header and raw bytes.
//!
//! ```text
//! 0        4        8                    8 + header            8 + header + body
//! | header | body   | JSON object, UTF-8 | bytes, any content  |
//! | u32 LE | u32 LE | header bytes       | body bytes          |
//! ```

use serde::Serialize;

/// Longest JSON header in bytes: room for a list of some thousand guests.
pub const MAX_HEADER: usize = 1 << 20;
/// Longest body in bytes.
pub const MAX_BODY: usize = 64 << 20;
/// The two lengths in front, in bytes.
pub(super) const PREFIX: usize = 8;
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

/// The lengths of header and body that `bytes` begin with, checked; `None` when they are not there yet.
///
/// # Errors
/// [`FrameError`] when one is out of bounds.
pub(super) fn lengths(bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            assert_eq!(lengths(&[low(header), low(body)].concat()).is_ok(), fine);
        }
    }
}
