//! A payload made of a number.

use std::fmt;

/// Life, number and length.
const HEADER: usize = 24;
/// Most messages are shorter than this.
const SHORT: u64 = 1024;

/// The name of a message: one life of its sender and its number in that life, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Message {
    pub(super) life: u64,
    pub(super) number: u64,
}

impl Message {
    /// The payload, of `max` bytes at most, which must hold a header.
    ///
    /// Each 64th is as long as can be, each 16th of any length, the others are short.
    pub(super) fn payload(self, max: usize) -> Vec<u8> {
        let Self { life, number } = self;
        let draw = mixed(life ^ mixed(number));
        let room = max.saturating_sub(HEADER);
        let filling = match number {
            _ if number % 64 == 63 => room,
            _ if number % 16 == 7 => below(draw, room),
            _ => below(draw % SHORT, room),
        };
        self.payload_of(HEADER + filling)
    }

    /// A payload of `length` bytes, which must hold a header.
    pub(super) fn payload_of(self, length: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(length + 8);
        for word in self.words(length) {
            if payload.len() >= length {
                break;
            }
            payload.extend_from_slice(&word.to_le_bytes());
        }
        payload.truncate(length);
        payload
    }

    /// Reads a payload and checks all of it.
    pub(super) fn check(payload: &[u8]) -> Result<Self, Damage> {
        let short = Damage::Short { length: payload.len() };
        let (header, _) = payload.split_at_checked(HEADER).ok_or(short)?;
        let mut words =
            header.chunks_exact(8).filter_map(|word| word.try_into().ok().map(u64::from_le_bytes));
        let (Some(life), Some(number), Some(wanted)) = (words.next(), words.next(), words.next()) else {
            return Err(short);
        };
        let message = Self { life, number };
        if wanted != payload.len() as u64 {
            return Err(Damage::Length { message, wanted, length: payload.len() });
        }
        // Word by word: a second copy of a large payload may be more than a small machine has.
        let is_wrong = |(found, wanted): &(&[u8], u64)| *found != &wanted.to_le_bytes()[..found.len()];
        match payload.chunks(8).zip(message.words(payload.len())).position(|pair| is_wrong(&pair)) {
            None => Ok(message),
            Some(word) => Err(Damage::Content { message, at: word * 8, length: payload.len() }),
        }
    }

    /// The words of a payload of `length` bytes, and more of the same.
    fn words(self, length: usize) -> impl Iterator<Item = u64> {
        let Self { life, number } = self;
        let first = mixed(mixed(life).wrapping_add(number));
        let filling = std::iter::successors(Some(first), |&word| Some(mixed(word)));
        [life, number, length as u64].into_iter().chain(filling)
    }
}

/// A number from 0 to `limit`.
fn below(draw: u64, limit: usize) -> usize {
    usize::try_from(draw % (limit as u64 + 1)).unwrap_or(limit)
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014): every bit of the result depends on every bit given.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// What is wrong with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    Short { length: usize },
    Length { message: Message, wanted: u64, length: usize },
    Content { message: Message, at: usize, length: usize },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { length } => write!(f, "{length} bytes are too short for a numbered message"),
            Self::Length { message, wanted, length } => {
                write!(f, "message {} has {length} bytes and should have {wanted}", message.number)
            }
            Self::Content { message, at, length } => {
                write!(f, "message {} of {length} bytes is wrong in the 8 from byte {at}", message.number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_its_number_and_nothing_else() {
        for number in 0..300 {
            let message = Message { life: 0xfeed, number };
            let payload = message.payload(5000);
            assert!((HEADER..=5000).contains(&payload.len()));
            assert_eq!(payload.len() == 5000, number % 64 == 63);
            assert_eq!(Message::check(&payload), Ok(message));
            assert_ne!(payload, Message { life: 0xfeee, number }.payload(5000));
        }
    }

    #[test]
    fn every_byte_is_checked() {
        let message = Message { life: 1, number: 63 };
        let payload = message.payload(200);
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 1;
            assert_ne!(Message::check(&damaged), Ok(message), "byte {at}");
            assert!(Message::check(&payload[..at]).is_err(), "cut at {at}");
        }
        assert!(Message::check(&[&payload[..], &[0]].concat()).is_err());
    }
}
