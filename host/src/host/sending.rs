//! What a host sends to its guests.

use std::time::Duration;

use ivring_proto::bytemuck::{self, NoUninit};
use ivring_proto::link::{Exchange, HostEnd, InvalidTopic, Link, SendError, Status, Topic};
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
        send: impl FnOnce(&mut Exchange, &mut Link<MappedFile>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        if self.lost.is_some() {
            return Err(SendError::NotAttached);
        }
        let index = self.index_of(guest).ok_or(SendError::NotAttached)?;
        self.sent_to = index;
        self.rota.heat(index);
        let exchange = &mut self.exchanges[index];
        let result = self.ends[index].send_with(|link| send(exchange, link));
        self.sending |= exchange.is_sending();
        result
    }

    /// Sends a message and publishes it at once; returns its id. Never blocks.
    ///
    /// One that does not fit a record is copied and goes over in fragments while this host is polled. What becomes of it
    /// is told by [`Event::Delivered`](crate::Event::Delivered), [`Interrupted`](crate::Event::Interrupted) or
    /// [`Declined`](crate::Event::Declined). Messages of one record may overtake it.
    ///
    /// # Errors
    ///
    /// Not attached, ring full, too large, or a bad topic; nothing was sent then.
    pub fn send(&mut self, guest: &Identity, topic: &str, payload: &[u8]) -> Result<u64, HostSendError> {
        let topic = Topic::new(topic)?;
        Ok(self.with_link(guest, |exchange, link| {
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
    pub fn send_value<T: NoUninit>(
        &mut self,
        guest: &Identity,
        topic: &str,
        value: &T,
    ) -> Result<u64, HostSendError> {
        self.send(guest, topic, bytemuck::bytes_of(value))
    }

    /// Sends a message in the open batch; as [`send`](Self::send) otherwise. The batch is published by
    /// [`flush`](Self::flush), when it has filled half the ring, and when this host is polled and finds nothing to do: it
    /// never waits for company.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push(&mut self, guest: &Identity, topic: &str, payload: &[u8]) -> Result<u64, HostSendError> {
        let topic = Topic::new(topic)?;
        self.unflushed = true;
        Ok(self.with_link(guest, |exchange, link| exchange.send(link, topic, payload))?)
    }

    /// Publishes what was pushed for a guest.
    pub fn flush(&mut self, guest: &Identity) {
        if self.lost.is_none()
            && let Some(index) = self.index_of(guest)
            && let Some(link) = self.ends[index].link()
        {
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
    pub fn request(
        &mut self,
        guest: &Identity,
        topic: &str,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<u64, HostSendError> {
        let topic = Topic::new(topic)?;
        let now = self.started.elapsed();
        let send = |exchange: &mut Exchange, link: &mut Link<MappedFile>| {
            let id = exchange.request(link, now, topic, payload, timeout)?;
            link.flush();
            Ok(id)
        };
        Ok(self.with_link(guest, send)?)
    }

    /// Answers the request `id` of a guest. As [`send`](Self::send).
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
        self.with_link(guest, |exchange, link| {
            exchange.respond(link, id, status, payload)?;
            link.flush();
            Ok(())
        })
    }

    /// Bytes of answers to guests that are kept until the guests have them, where they go in fragments.
    pub(crate) fn kept_answers(&self) -> usize {
        self.exchanges.iter().map(Exchange::kept_answers).sum()
    }

    /// Bytes of answers that may be kept, with those that wait elsewhere for room.
    pub(crate) fn max_kept_answers(&self) -> usize {
        self.max_kept_answers
    }

    /// So many answers to a guest were dropped for want of room.
    pub(crate) fn lose_answers(&mut self, guest: &Identity, count: u64) {
        if count > 0
            && let Some(index) = self.index_of(guest)
        {
            self.exchanges[index].lose_answers(count);
        }
    }

    /// Nobody waits for the answer to this request or ping any more; one that comes later is dropped and counted.
    pub(crate) fn give_up(&mut self, guest: &Identity, id: u64) {
        if let Some(index) = self.index_of(guest) {
            self.exchanges[index].give_up(id);
        }
    }

    /// Sends a ping, which the guest's library answers by itself, and returns its id. It is followed by an
    /// [`Event::Pong`](crate::Event::Pong) with this id, or by [`Event::Unanswered`](crate::Event::Unanswered). The payload
    /// travels both ways, and must fit a record.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, guest: &Identity, payload: &[u8], timeout: Duration) -> Result<u64, SendError> {
        let now = self.started.elapsed();
        self.with_link(guest, |exchange, link| {
            let id = exchange.ping(link, now, payload, timeout)?;
            link.flush();
            Ok(id)
        })
    }

    /// Largest payload of a message to this guest, in bytes; 0 when it is not attached.
    pub fn max_payload(&self, guest: &Identity, topic: &str) -> usize {
        let index = self.index_of(guest);
        index.map_or(0, |index| self.exchanges[index].max_payload(self.ends[index].max_payload(topic.len())))
    }

    /// Largest payload that goes to this guest in one record, in bytes; 0 when it is not attached. What is larger is
    /// copied once more, and not delivered again when the guest's program is killed while it goes over.
    pub fn max_record(&self, guest: &Identity, topic: &str) -> usize {
        self.index_of(guest).map_or(0, |index| self.ends[index].max_payload(topic.len()))
    }

    /// Bytes that can be sent to this guest now: those free in the ring, and those that may be kept to go in fragments; 0
    /// when it is not attached. A change is the occasion to try again what was refused as full.
    pub fn room(&mut self, guest: &Identity) -> u64 {
        if self.lost.is_some() {
            return 0;
        }
        let Some(index) = self.index_of(guest) else { return 0 };
        let kept = self.exchanges[index].room() as u64;
        let Some(tx) = self.ends.get_mut(index).and_then(HostEnd::link).map(Link::tx) else { return 0 };
        // A broken ring counts as empty, so that somebody tries to send and it is noticed.
        let used = tx.used().unwrap_or(0);
        tx.capacity().saturating_sub(used) + kept
    }
}
