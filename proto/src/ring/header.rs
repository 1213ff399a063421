//! The 8 bytes before every payload.

use super::{fault::Fault, lane::Limits};

/// Size of a record's header in bytes.
pub const HEADER: u64 = 8;

/// The kind of a padding, which fills the end of the ring when a record does not fit there. Kind 0 does not exist.
pub const PADDING: u8 = 1;

/// The next multiple of 8.
pub(super) fn round_up(length: u64) -> u64 {
    (length + 7) & !7
}

/// Length and kind out of a header that has passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes with the header, not rounded.
    pub(super) length: u32,
    pub(super) kind: u8,
}

impl Header {
    /// Bytes that the record takes in the ring.
    pub(super) fn span(self) -> u64 {
        round_up(u64::from(self.length))
    }
}

/// What ties a header to its position and session: 24 bits.
fn tag(position: u64, salt: u64) -> u64 {
    ((position / 8) ^ salt) & 0xff_ffff
}

/// The word for a record of `length` bytes, header included, at `position`.
pub(super) fn encode(length: u64, kind: u8, position: u64, salt: u64) -> u64 {
    length | u64::from(kind) << 32 | tag(position, salt) << 40
}

/// Checks a word that is not zero and was read at `position`, where `room` bytes are left up to the end of the ring.
#[inline]
pub(super) fn decode(
    word: u64,
    position: u64,
    room: u64,
    salt: u64,
    limits: &Limits,
) -> Result<Header, Fault> {
    let [l0, l1, l2, l3, kind, ..] = word.to_le_bytes();
    let header = Header { length: u32::from_le_bytes([l0, l1, l2, l3]), kind };
    let span = header.span();
    let is_record = word >> 40 == tag(position, salt)
        && kind > PADDING
        && header.length >= 8
        && span <= room
        && span <= limits.half;
    if is_record { Ok(header) } else { padding(header, word, position, room, salt, limits) }
}

/// A header that is not a record's: a padding's, or what is wrong with it.
#[cold]
#[inline(never)]
fn padding(
    header: Header,
    word: u64,
    position: u64,
    room: u64,
    salt: u64,
    limits: &Limits,
) -> Result<Header, Fault> {
    let (found, expected) = (word >> 40, tag(position, salt));
    if found != expected {
        return Err(Fault::Tag { position, header: word, found, expected });
    }
    let length = u64::from(header.length);
    if length < HEADER || round_up(length) > room {
        return Err(Fault::Length { position, length, room });
    }
    match header.kind {
        // A padding precedes a record that did not fit into the room, and no record is longer than half the ring.
        PADDING if length == room && length < limits.half => Ok(header),
        PADDING => Err(Fault::Padding { position, length, room }),
        0 => Err(Fault::Kind { position, header: word }),
        _ => Err(Fault::TooLong { position, length, max: limits.half }),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record::Record, *};

    #[test]
    fn the_bytes_of_a_header_are_pinned() {
        // 13 bytes with the header, kind 5; position / 8 is 0x203, and the salt's upper bits do not count.
        let word = encode(13, 5, 0x1018, 0xffff_ff00_0080_0001);
        assert_eq!(word.to_le_bytes(), [13, 0, 0, 0, 5, 0x02, 0x02, 0x80]);
        let limits = Limits::new(4096);
        let header = decode(word, 0x1018, 4072, 0xffff_ff00_0080_0001, &limits).unwrap();
        assert_eq!(header, Header { length: 13, kind: 5 });
        assert_eq!(
            (
                header.span(),
                Record::new(header, 0x1018, false).span(),
                Record::new(header, 0x1018, true).length()
            ),
            (16, 16, 5)
        );
    }

    #[test]
    fn no_header_is_zero() {
        // The tag may be zero and the smallest record has no payload: its length is left.
        assert_eq!(encode(HEADER, 2, 0, 0), 0x2_0000_0008);
    }
}
