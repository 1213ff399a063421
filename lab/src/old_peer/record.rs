//! The envelope of a record.

use super::region::wrong;
use crate::Error;

/// A record as one side sends it to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 2 message, 3 ping, 4 pong, 5 request, 6 response.
    pub kind: u8,
    /// The sender's number for it, or that of what it answers.
    pub id: u64,
    /// Of a response: 0 done, 1 nobody serves the topic, 2 failed.
    pub status: u16,
    /// Of a message or request.
    pub topic: String,
    /// The rest.
    pub payload: Vec<u8>,
    /// It may have been received before.
    pub redelivered: bool,
}

impl Record {
    /// The bytes behind the ring's header.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.id.to_le_bytes().to_vec();
        bytes.push(u8::try_from(self.topic.len()).expect("a topic has at most 255 bytes"));
        bytes.push(0);
        bytes.extend(self.status.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.topic.as_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Takes apart what a peer of 1.0 may have written.
    pub(super) fn decode(kind: u8, bytes: &[u8], redelivered: bool) -> Result<Self, Error> {
        let bad = || {
            wrong(format!(
                "no envelope of 1.0 in a record of kind {kind}: {:02x?}",
                &bytes[..bytes.len().min(32)]
            ))
        };
        let (envelope, rest) = bytes.split_first_chunk::<16>().ok_or_else(bad)?;
        let [a, b, c, d, e, f, g, h, topic, flags, low, high, reserved @ ..] = *envelope;
        let (topic, payload) = rest.split_at_checked(topic.into()).ok_or_else(bad)?;
        let topic = str::from_utf8(topic).map_err(|_| bad())?.to_owned();
        let named = matches!(kind, 2 | 5);
        if flags != 0 || reserved != [0; 4] || topic.is_empty() == named {
            return Err(bad());
        }
        let id = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let status = u16::from_le_bytes([low, high]);
        Ok(Self { kind, id, status, topic, payload: payload.to_vec(), redelivered })
    }
}
