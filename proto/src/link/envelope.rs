//! What stands before every payload.
//!
//! ```text
//! byte  0        8       9       10      12        16               16 + topic length
//!       +--------+-------+-------+-------+---------+----------------+----------
//!       | id     | topic | flags | status| reserved| topic, UTF-8   | payload
//!       | u64    | length| u8    | u16   | u32     |                |
//!       +--------+-------+-------+-------+---------+----------------+----------
//! ```
//!
//! The kind is the ring record's own. The reserved word is kept for a checksum. In a fragment (`super::fragment`) the flags
//! are the kind of the message that it is a piece of.

use bytemuck::{Pod, Zeroable};

/// Size of the envelope in bytes, without the topic.
pub const ENVELOPE: usize = size_of::<Header>();
/// Longest topic in bytes.
pub const MAX_TOPIC: usize = 255;

/// What a record is, as the ring carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum Kind {
    /// A message on a topic; `id` numbers the sender's messages.
    Message,
    /// Send the payload back as a pong with the same id.
    Ping,
    /// Answer to a ping.
    Pong,
    /// A request on a topic; `id` names it to its sender.
    Request,
    /// Answer to the request `id`.
    Response,
    /// A piece of a message that is too large for one record.
    Fragment,
    /// The transfer `id` of fragments is over; the status says how.
    End,
}

impl Kind {
    /// The record's kind byte. 0 and 1 belong to the ring.
    pub const fn code(self) -> u8 {
        match self {
            Kind::Message => 2,
            Kind::Ping => 3,
            Kind::Pong => 4,
            Kind::Request => 5,
            Kind::Response => 6,
            Kind::Fragment => 7,
            Kind::End => 8,
        }
    }

    /// The reverse of [`code`](Self::code); `None` for a kind of a newer version.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            2 => Some(Kind::Message),
            3 => Some(Kind::Ping),
            4 => Some(Kind::Pong),
            5 => Some(Kind::Request),
            6 => Some(Kind::Response),
            7 => Some(Kind::Fragment),
            8 => Some(Kind::End),
            _ => None,
        }
    }
}

/// How a request went, in its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum Status {
    /// The payload is the answer.
    Ok,
    /// Nobody serves that topic.
    NoHandler,
    /// The handler failed; the payload says why.
    Failed,
    /// A status of a newer version.
    Unknown(u16),
}

impl Status {
    /// The code in the envelope.
    pub const fn code(self) -> u16 {
        match self {
            Status::Ok => 0,
            Status::NoHandler => 1,
            Status::Failed => 2,
            Status::Unknown(code) => code,
        }
    }

    /// The reverse of [`code`](Self::code).
    pub const fn from_code(code: u16) -> Self {
        match code {
            0 => Status::Ok,
            1 => Status::NoHandler,
            2 => Status::Failed,
            code => Status::Unknown(code),
        }
    }
}

/// Why a topic was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a topic has 1 to {MAX_TOPIC} bytes and no control characters; this one has {length} bytes")]
pub struct InvalidTopic {
    /// Length of what was given, in bytes.
    pub length: usize,
}

/// A checked topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic<'a>(&'a str);

impl<'a> Topic<'a> {
    /// A topic by its name.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than [`MAX_TOPIC`] bytes or has control characters.
    pub fn new(name: &'a str) -> Result<Self, InvalidTopic> {
        let printable = |byte: u8| (b' '..=b'~').contains(&byte);
        // Most topics are ASCII, where bytes are quicker to look at than characters.
        let valid = (1..=MAX_TOPIC).contains(&name.len())
            && (name.bytes().all(printable) || !name.chars().any(char::is_control));
        valid.then_some(Topic(name)).ok_or(InvalidTopic { length: name.len() })
    }

    /// The name.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    id: u64,
    topic_length: u8,
    flags: u8,
    status: u16,
    reserved: u32,
}

const _: () = assert!(size_of::<Header>() == 16);

/// Why a record's payload is no envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum EnvelopeError {
    /// Shorter than an envelope.
    #[error("record of {length} bytes is shorter than an envelope of {ENVELOPE}")]
    Short {
        /// Length of the record's payload.
        length: usize,
    },
    /// The topic reaches past the record's end.
    #[error("topic of {topic} bytes in a record of {length}")]
    Topic {
        /// Length the envelope says.
        topic: usize,
        /// Length of the record's payload.
        length: usize,
    },
    /// The topic is empty where one is needed.
    #[error("record of {length} bytes has no topic")]
    NoTopic {
        /// Length of the record's payload.
        length: usize,
    },
    /// The topic is no valid name.
    #[error("topic of {topic} bytes is no UTF-8 or has a control character: byte {at} is {byte:#04x}")]
    TopicText {
        /// Its length.
        topic: usize,
        /// Where the first byte is that cannot be.
        at: usize,
        /// That byte.
        byte: u8,
    },
    /// A fragment of `length` bytes with its own header that cannot be a piece of anything.
    #[error("fragment of {length} bytes at {offset} of {total} of a message of kind {of}")]
    Fragment {
        /// Length of the record's payload behind the topic.
        length: usize,
        /// Where the piece belongs.
        offset: u64,
        /// Length of the whole.
        total: u64,
        /// Kind of the whole.
        of: u8,
    },
}

/// Encodes the envelope of one record, as the two words that it is.
#[inline]
pub(super) fn encode(id: u64, topic: Option<Topic<'_>>, flags: u8, status: Status) -> [[u8; 8]; 2] {
    // At most MAX_TOPIC = u8::MAX, the topic's type sees to it.
    let topic_length = topic.map_or(0, |topic| topic.0.len()) as u64 & 0xff;
    let rest = topic_length | u64::from(flags) << 8 | u64::from(status.code()) << 16;
    [id.to_le_bytes(), rest.to_le_bytes()]
}

/// An envelope taken apart; borrows from the private copy of the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoded<'a> {
    pub(super) id: u64,
    pub(super) flags: u8,
    pub(super) status: Status,
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
}

/// Why the topic of a record of `length` bytes is no name.
#[cold]
pub(super) fn no_name(topic: &str, length: usize) -> EnvelopeError {
    match topic.char_indices().find(|(_, letter)| letter.is_control()) {
        Some((at, _)) => wrong_topic(topic.as_bytes(), at),
        // It is at most as long as its length can say.
        None => EnvelopeError::NoTopic { length },
    }
}

#[cold]
fn wrong_topic(topic: &[u8], at: usize) -> EnvelopeError {
    EnvelopeError::TopicText { topic: topic.len(), at, byte: topic.get(at).copied().unwrap_or_default() }
}

/// Takes the private copy of a record's payload apart. Messages and requests must have a topic.
#[inline(always)]
pub(super) fn decode(kind: Kind, record: &[u8]) -> Result<Decoded<'_>, EnvelopeError> {
    let length = record.len();
    let (head, rest) = record.split_at_checked(ENVELOPE).ok_or(EnvelopeError::Short { length })?;
    let header: Header = bytemuck::pod_read_unaligned(head);
    let topic_length = usize::from(header.topic_length);
    let (topic, payload) =
        rest.split_at_checked(topic_length).ok_or(EnvelopeError::Topic { topic: topic_length, length })?;
    let topic = core::str::from_utf8(topic).map_err(|error| wrong_topic(topic, error.valid_up_to()))?;
    let named = matches!(kind, Kind::Message | Kind::Request);
    if named && Topic::new(topic).is_err() {
        return Err(no_name(topic, length));
    }
    Ok(Decoded {
        id: u64::from_le(header.id),
        flags: header.flags,
        status: Status::from_code(u16::from_le(header.status)),
        topic,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives() {
        let topic = Topic::new("load").expect("valid");
        let mut record = encode(7, Some(topic), 3, Status::Failed).concat();
        assert_eq!(record, [7, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 0, 0, 0, 0, 0]);
        record.extend_from_slice(b"loadpayload");
        let decoded = decode(Kind::Message, &record).expect("valid");
        assert_eq!(
            (decoded.id, decoded.flags, decoded.status, decoded.topic, decoded.payload),
            (7, 3, Status::Failed, "load", &b"payload"[..])
        );
    }

    #[test]
    fn lying_envelopes_are_named() {
        assert_eq!(decode(Kind::Ping, &[0; 15]).expect_err("short"), EnvelopeError::Short { length: 15 });
        let mut record = [0_u8; 20];
        record[8] = 5;
        assert_eq!(
            decode(Kind::Message, &record).expect_err("long topic"),
            EnvelopeError::Topic { topic: 5, length: 20 }
        );
        record[8] = 0;
        assert_eq!(
            decode(Kind::Message, &record).expect_err("no topic"),
            EnvelopeError::NoTopic { length: 20 }
        );
        record[8] = 2;
        record[16..18].copy_from_slice(b"\x1b[");
        let wrong = |at, byte| EnvelopeError::TopicText { topic: 2, at, byte };
        assert_eq!(decode(Kind::Request, &record).expect_err("escape"), wrong(0, 0x1b));
        record[16..18].copy_from_slice(b"a\xff");
        assert_eq!(decode(Kind::Pong, &record).expect_err("no UTF-8"), wrong(1, 0xff));
    }

    #[test]
    fn topics_are_checked() {
        assert!(Topic::new(&"t".repeat(255)).is_ok() && Topic::new("Größe").is_ok());
        for bad in ["", "a\nb", "\u{7f}", "ö\u{85}", &"t".repeat(256)] {
            assert_eq!(Topic::new(bad), Err(InvalidTopic { length: bad.len() }));
        }
    }
}
