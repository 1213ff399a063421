//! A piece of a message that is too large for one record.
//!
//! ```text
//! byte  0          8        16        24
//!       +----------+--------+---------+---------
//!       | transfer | total  | offset  | piece         behind the envelope and the topic
//!       | u64      | u64    | u64     |
//!       +----------+--------+---------+---------
//! ```
//!
//! The envelope's id and status are those of the whole message, its flags are the kind of it. Only the first piece, at
//! offset 0, has a topic.

use super::envelope::{Decoded, EnvelopeError, Kind, Topic, no_name};
use bytemuck::{Pod, Zeroable};

/// Size of a fragment's own header in bytes.
pub(super) const FRAGMENT: usize = size_of::<Header>();

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    transfer: u64,
    total: u64,
    offset: u64,
}

const _: () = assert!(size_of::<Header>() == 24);

/// Where a piece belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Names the transfer: the sender's incarnation and a number that grows.
    pub transfer: u64,
    /// Length of the whole payload in bytes.
    pub total: u64,
    /// Where in it this piece begins.
    pub offset: u64,
    /// What the whole is: a message, a request or a response.
    pub of: Kind,
}

impl Fragment {
    pub(super) fn encode(&self) -> [u8; FRAGMENT] {
        let Fragment { transfer, total, offset, .. } = *self;
        bytemuck::cast(Header { transfer: transfer.to_le(), total: total.to_le(), offset: offset.to_le() })
    }

    /// Reads a fragment's header at the beginning of `decoded`, of whose payload `rest` more bytes are still in the ring.
    /// Returns it, checked against the length of the piece, with that length.
    pub(super) fn decode(decoded: &Decoded<'_>, rest: usize) -> Result<(Self, usize), EnvelopeError> {
        let length = decoded.payload.len() + rest;
        let of = decoded.flags;
        let wrong = |total, offset| EnvelopeError::Fragment { length, offset, total, of };
        let (header, piece) = decoded.payload.split_at_checked(FRAGMENT).ok_or(wrong(0, 0))?;
        let piece = piece.len() + rest;
        let header: Header = bytemuck::pod_read_unaligned(header);
        let (transfer, total, offset) =
            (u64::from_le(header.transfer), u64::from_le(header.total), u64::from_le(header.offset));
        let whole = match Kind::from_code(of) {
            Some(kind @ (Kind::Message | Kind::Request | Kind::Response)) => kind,
            _ => return Err(wrong(total, offset)),
        };
        let end = offset.checked_add(piece as u64);
        if piece == 0 || end.is_none_or(|end| end > total) {
            return Err(wrong(total, offset));
        }
        let named = matches!(whole, Kind::Message | Kind::Request) && offset == 0;
        if named && Topic::new(decoded.topic).is_err() {
            return Err(no_name(decoded.topic, length));
        }
        Ok((Fragment { transfer, total, offset, of: whole }, piece))
    }
}

#[cfg(test)]
mod tests {
    use super::super::envelope::Status;
    use super::*;

    fn decoded(flags: u8, topic: &'static str, payload: &[u8]) -> Result<(Fragment, usize), EnvelopeError> {
        let decoded = Decoded { id: 1, flags, status: Status::Ok, topic, payload };
        let whole = Fragment::decode(&decoded, 0);
        if let Some((head, rest)) = payload.split_at_checked(FRAGMENT) {
            let decoded = Decoded { payload: head, ..decoded };
            assert_eq!(Fragment::decode(&decoded, rest.len()), whole, "with the piece still in the ring");
        }
        whole
    }

    #[test]
    fn a_fragment_survives() {
        let fragment = Fragment { transfer: 7, total: 10, offset: 4, of: Kind::Message };
        let mut payload = fragment.encode().to_vec();
        payload.extend_from_slice(b"piece!");
        assert_eq!(decoded(2, "", &payload), Ok((fragment, 6)));
    }

    #[test]
    fn lies_are_named() {
        let fragment = |total, offset| {
            let mut bytes = Fragment { transfer: 7, total, offset, of: Kind::Message }.encode().to_vec();
            bytes.extend_from_slice(b"piece!");
            bytes
        };
        let wrong = |total, offset, of| Err(EnvelopeError::Fragment { length: 30, offset, total, of });
        assert_eq!(decoded(2, "t", &fragment(5, 0)), wrong(5, 0, 2));
        assert_eq!(decoded(2, "t", &fragment(10, 5)), wrong(10, 5, 2));
        assert_eq!(decoded(2, "t", &fragment(u64::MAX, u64::MAX)), wrong(u64::MAX, u64::MAX, 2));
        assert_eq!(decoded(3, "t", &fragment(10, 4)), wrong(10, 4, 3));
        assert_eq!(decoded(2, "", &fragment(10, 0)), Err(EnvelopeError::NoTopic { length: 30 }));
        assert_eq!(decoded(6, "", &fragment(10, 0)).map(|(_, length)| length), Ok(6));
        let short = EnvelopeError::Fragment { length: 23, offset: 0, total: 0, of: 2 };
        assert_eq!(decoded(2, "t", &fragment(10, 0)[..23]), Err(short));
        let empty = EnvelopeError::Fragment { length: 24, offset: 4, total: 10, of: 2 };
        assert_eq!(decoded(2, "t", &fragment(10, 4)[..24]), Err(empty));
    }
}
