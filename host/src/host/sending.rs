//! What a host sends to its guests.

use ivring_proto::link::{HostEnd, InvalidTopic, Link, SendError, Status, Topic};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::Identity;

use super::Host;

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostSendError {
    /// The topic is none.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The link refused.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Host {
    fn with_link<T>(
        &mut self,
        guest: &Identity,
        send: impl FnOnce(&mut Link<MappedFile>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        if self.lost {
            return Err(SendError::NotAttached);
        }
        self.end_of(guest).ok_or(SendError::NotAttached)?.send_with(send)
    }

    /// Sends a message and publishes it at once; returns its id. Never blocks.
    ///
    /// # Errors
    ///
    /// Not attached, ring full, too large, or a bad topic; nothing was sent then.
    pub fn send(&mut self, guest: &Identity, topic: &str, payload: &[u8]) -> Result<u64, HostSendError> {
        let id = self.push(guest, topic, payload)?;
        self.flush(guest);
        Ok(id)
    }

    /// Sends a message in the open batch, which [`flush`](Self::flush) publishes; as [`send`](Self::send) otherwise.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push(&mut self, guest: &Identity, topic: &str, payload: &[u8]) -> Result<u64, HostSendError> {
        let topic = Topic::new(topic)?;
        Ok(self.with_link(guest, |link| link.send(topic, payload))?)
    }

    /// Publishes what was pushed for a guest.
    pub fn flush(&mut self, guest: &Identity) {
        if !self.lost
            && let Some(link) = self.end_of(guest).and_then(HostEnd::link)
        {
            link.flush();
        }
    }

    /// Sends a request named `id`; its response is an [`Event::Response`](crate::Event::Response) with the same id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn request(
        &mut self,
        guest: &Identity,
        id: u64,
        topic: &str,
        payload: &[u8],
    ) -> Result<(), HostSendError> {
        let topic = Topic::new(topic)?;
        let send = |link: &mut Link<MappedFile>| {
            link.request(id, topic, payload)?;
            link.flush();
            Ok(())
        };
        Ok(self.with_link(guest, send)?)
    }

    /// Answers the request `id` of a guest.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn respond(
        &mut self,
        guest: &Identity,
        id: u64,
        status: Status,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.with_link(guest, |link| {
            link.respond(id, status, payload)?;
            link.flush();
            Ok(())
        })
    }

    /// Sends a ping named `id`; its answer is an [`Event::Pong`](crate::Event::Pong) with the same id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, guest: &Identity, id: u64, payload: &[u8]) -> Result<(), SendError> {
        self.with_link(guest, |link| {
            link.ping(id, payload)?;
            link.flush();
            Ok(())
        })
    }

    /// Largest payload of a message on `topic` to this guest, in bytes; 0 when it is not attached.
    pub fn max_payload(&mut self, guest: &Identity, topic: &str) -> usize {
        self.end_of(guest).map_or(0, |end| end.max_payload(topic.len()))
    }

    /// Bytes free in the ring to this guest, for records with their headers; 0 when it is not attached. More than
    /// before is the occasion to try again what was refused as full.
    pub fn room(&mut self, guest: &Identity) -> u64 {
        if self.lost {
            return 0;
        }
        let Some(link) = self.end_of(guest).and_then(HostEnd::link) else { return 0 };
        let tx = link.tx();
        // A broken ring counts as empty, so that somebody tries to send and it is noticed.
        let used = tx.used().unwrap_or(0);
        tx.capacity().saturating_sub(used)
    }
}
