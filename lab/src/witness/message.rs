//! A payload made of a number.

use std::fmt;

/// Life, number and length.
const HEADER: usize = 24;
/// The filling is made in blocks of so many bytes.
const BLOCK: usize = 4096;
/// Most messages are shorter than this.
const SHORT: u64 = 1024;

/// The name of a message: one life of its sender and its number in that life, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Message {
    pub(crate) life: u64,
    pub(crate) number: u64,
}

impl Message {
    /// The payload, of `max` bytes at most, which must hold a header.
    ///
    /// Each 64th is as long as can be, each 16th of any length, the others are short.
    pub(crate) fn payload(self, max: usize) -> Vec<u8> {
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
    pub(crate) fn payload_of(self, length: usize) -> Vec<u8> {
        let Self { life, number } = self;
        let mut payload = Vec::with_capacity(length + BLOCK);
        for word in [life, number, length as u64] {
            payload.extend_from_slice(&word.to_le_bytes());
        }
        let filling = Filling::new(self, length);
        for index in 0.. {
            if payload.len() >= length {
                break;
            }
            payload.extend_from_slice(&filling.mark(index));
            payload.extend_from_slice(&filling.rest);
        }
        payload.truncate(length);
        payload
    }

    /// Reads a payload and checks all of it.
    pub(crate) fn check(payload: &[u8]) -> Result<Self, Damage> {
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
        // Block by block: a second copy of a large payload may be more than a small machine has.
        let filling = Filling::new(message, payload.len());
        match payload[HEADER..].chunks(BLOCK).zip(0..).find(|(block, index)| !filling.is(*index, block)) {
            None => Ok(message),
            Some((_, index)) => Err(Damage::Content {
                message,
                at: HEADER as u64 + index * BLOCK as u64,
                length: payload.len(),
            }),
        }
    }
}

/// What follows the header: blocks that are alike but for their first word, so that much of it is made in no time.
struct Filling {
    seed: u64,
    /// A block without its first word, as much of it as is needed.
    rest: Vec<u8>,
}

impl Filling {
    fn new(Message { life, number }: Message, length: usize) -> Self {
        let seed = mixed(life).wrapping_add(number);
        let words = std::iter::successors(Some(mixed(seed)), |&word| Some(mixed(word)));
        let needed = length.min(BLOCK - 8).div_ceil(8);
        Self { seed, rest: words.take(needed).flat_map(u64::to_le_bytes).collect() }
    }

    /// The first word of a block.
    fn mark(&self, index: u64) -> [u8; 8] {
        mixed(self.seed ^ mixed(index)).to_le_bytes()
    }

    /// Whether a block is as it was made.
    fn is(&self, index: u64, block: &[u8]) -> bool {
        let mark = self.mark(index);
        let (first, rest) = block.split_at(block.len().min(mark.len()));
        mark.starts_with(first) && self.rest.starts_with(rest)
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
pub(crate) enum Damage {
    Short { length: usize },
    Length { message: Message, wanted: u64, length: usize },
    Content { message: Message, at: u64, length: usize },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { length } => write!(f, "{length} bytes are too short for a numbered message"),
            Self::Length { message, wanted, length } => {
                write!(f, "message {} has {length} bytes and should have {wanted}", message.number)
            }
            Self::Content { message, at, length } => {
                write!(f, "message {} of {length} bytes is wrong in the block from byte {at}", message.number)
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

    #[test]
    fn a_block_in_the_place_of_another_is_noticed() {
        let message = Message { life: 1, number: 2 };
        let mut payload = message.payload_of(HEADER + 3 * BLOCK + 5);
        assert_eq!(Message::check(&payload), Ok(message));
        payload.copy_within(HEADER..HEADER + BLOCK, HEADER + BLOCK);
        let (at, length) = ((HEADER + BLOCK) as u64, payload.len());
        assert_eq!(Message::check(&payload), Err(Damage::Content { message, at, length }));
    }
}
