//! What a side does with the two rings of a session.

use super::record::Record;
use super::region::wrong;
use super::ring::{Reader, Writer};
use crate::Error;

/// The topic of requests that are answered with their own payload. Nobody serves another.
pub const ECHO: &str = "ivring.echo";

/// Both rings of a session, with what has gone through them.
#[derive(Debug)]
pub struct Talk {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    /// An answer that has found no room yet. Nothing is received meanwhile.
    answer: Option<Record>,
    unknown: u64,
}

impl Talk {
    pub(super) fn new(writer: Writer, reader: Reader) -> Self {
        Self { writer, reader, answer: None, unknown: 0 }
    }

    /// How many records of kinds that 1.0 does not have were skipped.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Sends a message; its number.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when it does not fit now, or when the other side's head is impossible.
    pub fn send(&mut self, topic: &str, payload: &[u8]) -> Result<u64, Error> {
        let id = self.writer.position;
        self.push(2, id, topic, payload)?;
        Ok(id)
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// As [`Talk::send`].
    pub fn ping(&mut self, id: u64, payload: &[u8]) -> Result<(), Error> {
        self.push(3, id, "", payload)
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// As [`Talk::send`].
    pub fn request(&mut self, id: u64, topic: &str, payload: &[u8]) -> Result<(), Error> {
        self.push(5, id, topic, payload)
    }

    /// Sends a record of a kind that the other side does not know either.
    ///
    /// # Errors
    ///
    /// As [`Talk::send`].
    pub fn send_kind(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        self.writer.push(kind, payload)?.map(drop).ok_or_else(|| wrong("the ring is full"))
    }

    fn push(&mut self, kind: u8, id: u64, topic: &str, payload: &[u8]) -> Result<(), Error> {
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        let record = Record { kind, id, status: 0, topic, payload, redelivered: false };
        self.send_kind(kind, &record.encode())
    }

    /// The next record that is not answered or skipped right here.
    pub(super) fn receive(&mut self) -> Result<Option<Record>, Error> {
        loop {
            if let Some(answer) = &self.answer {
                if self.writer.push(answer.kind, &answer.encode())?.is_none() {
                    return Ok(None);
                }
                self.answer = None;
            }
            let Some((kind, bytes, again)) = self.reader.next()? else { return Ok(None) };
            if !(2..=6).contains(&kind) {
                self.unknown += 1;
                continue;
            }
            let record = Record::decode(kind, &bytes, again)?;
            let empty = Record { topic: String::new(), ..record.clone() };
            self.answer = match kind {
                3 => Some(Record { kind: 4, ..empty }),
                5 if record.topic == ECHO => Some(Record { kind: 6, ..empty }),
                5 => Some(Record { kind: 6, status: 1, payload: Vec::new(), ..empty }),
                _ => return Ok(Some(record)),
            };
        }
    }
}
