//! What a guest sends to the host.

use std::time::Duration;

use ivring_proto::bytemuck::{self, NoUninit};
use ivring_proto::link::{Counters, Exchange, InvalidTopic, Link, Losses, SendError, Status, Topic};
use ivring_proto::memory::MixedMapping;

use super::Guest;

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuestSendError {
    /// The topic is none.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The link refused.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Guest {
    fn with_link<T>(
        &mut self,
        send: impl FnOnce(&mut Exchange, &mut Link<MixedMapping>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let link = self.end.link().ok_or(SendError::NotAttached)?;
        send(&mut self.exchange, link)
    }

    /// What passed through, in all sessions so far.
    pub fn counters(&self) -> Counters {
        self.end.counters()
    }

    /// What came to nothing, in all sessions so far.
    pub fn losses(&self) -> Losses {
        self.exchange.losses()
    }

    /// So many answers to the host's requests were dropped for want of room.
    pub(crate) fn lose_answers(&mut self, count: u64) {
        self.exchange.lose_answers(count);
    }

    /// Largest payload of a message, in bytes; 0 when not attached.
    pub fn max_payload(&mut self, topic: &str) -> usize {
        let record = self.max_record(topic);
        if record == 0 { 0 } else { self.exchange.max_payload(record) }
    }

    /// Largest payload that goes in one record, in bytes; 0 when not attached. What is larger is copied once more, and not
    /// delivered again when the host's program is killed while it goes over.
    pub fn max_record(&mut self, topic: &str) -> usize {
        self.end.link().map_or(0, |link| link.max_payload(topic.len()))
    }

    /// Sends a message and publishes it at once; returns its id. Never blocks.
    ///
    /// One that does not fit a record is copied and goes over in fragments while this guest is polled. What becomes of it
    /// is told by [`Event::Delivered`](crate::Event::Delivered), [`Interrupted`](crate::Event::Interrupted) or
    /// [`Declined`](crate::Event::Declined). Messages of one record may overtake it.
    ///
    /// # Errors
    ///
    /// Not attached, ring full, too large, or a bad topic; nothing was sent then.
    pub fn send(&mut self, topic: &str, payload: &[u8]) -> Result<u64, GuestSendError> {
        let topic = Topic::new(topic)?;
        Ok(self.with_link(|exchange, link| {
            let id = exchange.send(link, topic, payload)?;
            link.flush();
            Ok(id)
        })?)
    }

    /// Sends a value as its bytes; [`value`](crate::value) reads it on the other side. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_value<T: NoUninit>(&mut self, topic: &str, value: &T) -> Result<u64, GuestSendError> {
        self.send(topic, bytemuck::bytes_of(value))
    }

    /// Sends a message in the open batch; as [`send`](Self::send) otherwise. The batch is published by
    /// [`flush`](Self::flush), when it has filled half the ring, and when this guest is polled and finds nothing to do: it
    /// never waits for company.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push(&mut self, topic: &str, payload: &[u8]) -> Result<u64, GuestSendError> {
        let topic = Topic::new(topic)?;
        Ok(self.with_link(|exchange, link| exchange.send(link, topic, payload))?)
    }

    /// Publishes what was pushed.
    pub fn flush(&mut self) {
        if let Some(link) = self.end.link() {
            link.flush();
        }
    }

    /// Sends a request and returns its id. It is followed by an [`Event::Response`](crate::Event::Response) with this id,
    /// or by [`Event::Unanswered`](crate::Event::Unanswered) after `timeout` at the latest. As many as one likes may be
    /// under way; answers come in any order. As [`send`](Self::send) otherwise.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn request(&mut self, topic: &str, payload: &[u8], timeout: Duration) -> Result<u64, GuestSendError> {
        let topic = Topic::new(topic)?;
        let now = self.started.elapsed();
        Ok(self.with_link(|exchange, link| {
            let id = exchange.request(link, now, topic, payload, timeout)?;
            link.flush();
            Ok(id)
        })?)
    }

    /// Answers the request `id`. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn respond(&mut self, id: u64, status: Status, payload: &[u8]) -> Result<(), SendError> {
        self.with_link(|exchange, link| {
            exchange.respond(link, id, status, payload)?;
            link.flush();
            Ok(())
        })
    }

    /// Sends a ping, which the host's library answers by itself, and returns its id. It is followed by an
    /// [`Event::Pong`](crate::Event::Pong) with this id, or by [`Event::Unanswered`](crate::Event::Unanswered). The payload
    /// travels both ways, and must fit a record.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8], timeout: Duration) -> Result<u64, SendError> {
        let now = self.started.elapsed();
        self.with_link(|exchange, link| {
            let id = exchange.ping(link, now, payload, timeout)?;
            link.flush();
            Ok(id)
        })
    }
}
