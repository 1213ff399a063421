//! What a side does with the two rings of a session.

use super::record::Record;
use super::ring::{Reader, Writer};
use crate::Error;

/// The topic of requests that are answered with their own payload. Nobody serves another.
pub const ECHO: &str = "ivring.echo";

/// Both rings of a session, with what has gone through them.
#[derive(Debug)]
pub struct Talk {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    unknown: u64,
}

impl Talk {
    pub(super) fn new(writer: Writer, reader: Reader) -> Self {
        Self { writer, reader, unknown: 0 }
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
        self.push(2, id, topic, 0, payload)?;
        Ok(id)
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// As [`Talk::send`].
    pub fn ping(&mut self, id: u64, payload: &[u8]) -> Result<(), Error> {
        self.push(3, id, "", 0, payload)
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// As [`Talk::send`].
    pub fn request(&mut self, id: u64, topic: &str, payload: &[u8]) -> Result<(), Error> {
        self.push(5, id, topic, 0, payload)
    }

    /// Sends a record of a kind that the other side does not know either.
    ///
    /// # Errors
    ///
    /// As [`Talk::send`].
    pub fn send_kind(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        self.writer.push(kind, payload).map(drop)
    }

    fn push(&mut self, kind: u8, id: u64, topic: &str, status: u16, payload: &[u8]) -> Result<(), Error> {
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        let record = Record { kind, id, status, topic, payload, redelivered: false };
        self.writer.push(kind, &record.encode()).map(drop)
    }

    /// The next record that is not answered or skipped right here.
    pub(super) fn receive(&mut self) -> Result<Option<Record>, Error> {
        while let Some((kind, bytes, again)) = self.reader.next()? {
            if !(2..=6).contains(&kind) {
                self.unknown += 1;
                continue;
            }
            let record = Record::decode(kind, &bytes, again)?;
            match kind {
                3 => self.push(4, record.id, "", 0, &record.payload)?,
                5 if record.topic == ECHO => self.push(6, record.id, "", 0, &record.payload)?,
                5 => self.push(6, record.id, "", 1, &[])?,
                _ => return Ok(Some(record)),
            }
        }
        Ok(None)
    }
}
