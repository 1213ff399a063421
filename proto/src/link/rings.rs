//! Both rings of one channel, and the messages in them.

use super::envelope::{Decoded, ENVELOPE, EnvelopeError, Kind, MAX_TOPIC, Status, Topic, decode, encode};
use super::fragment::{FRAGMENT, Fragment};
use crate::layout::{RingPlace, is_position};
use crate::memory::Memory;
use crate::ring::{Class, Consumer, Fault, Producer, PushError, Record, View};
use crate::session::{BEAT, EntryError};
use core::time::Duration;

/// Records looked at in one call of [`Link::receive`]: pings and records of unknown kinds cannot hold the caller longer.
const BUDGET: usize = 64;

/// The peer's hint is looked at this often, for its line is written with every message.
const HINT_LOOK: Duration = Duration::from_millis(250);

/// The most that can stand before the piece in a fragment.
const FRAGMENT_HEAD: usize = ENVELOPE + MAX_TOPIC + FRAGMENT;

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum SendError {
    /// No session; the message went nowhere.
    #[error("not attached")]
    NotAttached,
    /// The ring is full until the peer receives.
    #[error("the ring is full: {needed} bytes needed, {free} free; the peer does not receive fast enough")]
    Full {
        /// Bytes the record needs.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Larger than any record of this ring can be.
    #[error("{length} bytes exceed the largest message of {max} bytes on this channel")]
    TooLarge {
        /// Length of the payload in bytes.
        length: usize,
        /// Largest payload for this topic in bytes.
        max: usize,
    },
    /// The peer broke the ring.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why nothing more can be received on this link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum LinkError {
    /// The peer broke the ring.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The peer sent a record that is no envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The host's directory entry of this channel cannot be right.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The caller's buffer is smaller than a legal record.
    #[error("a buffer of {given} bytes is too small for a record of {needed}")]
    Buffer {
        /// Bytes the record has.
        needed: usize,
        /// Bytes of the buffer.
        given: usize,
    },
}

/// What was received; borrows from the caller's buffer, which is private memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Any kind but ping: those are answered before the caller sees them.
    pub kind: Kind,
    /// The sender's number for it.
    pub id: u64,
    /// Topic; empty on everything but messages and requests.
    pub topic: &'a str,
    /// How a request went; only in responses.
    pub status: Status,
    /// The payload; nothing of a fragment, whose piece stays in the ring: see [`Link::piece`].
    pub payload: &'a [u8],
    /// Where the piece belongs, in a fragment.
    pub fragment: Option<Fragment>,
    /// Position of the record in its ring.
    pub position: u64,
    /// True when it may have been received before: by an earlier process that ended before it said it was done.
    pub redelivered: bool,
}

/// What passed through a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Counters {
    /// Records sent.
    pub sent: u64,
    /// Payload bytes sent.
    pub sent_bytes: u64,
    /// Records received.
    pub received: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
    /// Records received that may have been received before.
    pub redelivered: u64,
    /// Sends refused because the ring was full.
    pub full: u64,
    /// Pings that were not answered because the ring was full.
    pub pings_dropped: u64,
    /// Records of kinds this version does not know, skipped.
    pub unknown: u64,
}

/// Both rings of one channel, seen from one side.
#[derive(Debug)]
pub struct Link<M> {
    tx: Producer<M>,
    rx: Consumer<M>,
    pending: bool,
    /// The fragment received last, and where its piece begins.
    piece: Option<(Record, usize)>,
    counters: Counters,
    next_hint_look: Duration,
    /// Since when the peer's hint is ahead of an empty ring.
    behind_since: Option<Duration>,
}

impl<M: Memory> Link<M> {
    /// Joins two started rings.
    pub fn new(tx: Producer<M>, rx: Consumer<M>) -> Self {
        Link {
            tx,
            rx,
            pending: false,
            piece: None,
            counters: Counters::default(),
            next_hint_look: Duration::ZERO,
            behind_since: None,
        }
    }

    /// Takes over from a program that died: the ring that it produced into, and the one that it consumed, each with its salt.
    ///
    /// # Errors
    ///
    /// The [`Fault`] found: that of [`Producer::recover`] or [`Consumer::resume`], or that a ring stands at no
    /// [position](is_position). A guest that joins anew would refuse such a one, and to who sends it would look like a
    /// transfer's number (§7.4).
    ///
    /// # Panics
    ///
    /// When a ring lies outside the memory.
    pub fn recover(memory: &M, tx: (RingPlace, u64), rx: (RingPlace, u64)) -> Result<Self, Fault>
    where
        M: Clone,
    {
        let tx = Producer::recover(memory.clone(), tx.0, tx.1)?;
        let rx = Consumer::resume(memory.clone(), rx.0, rx.1)?;
        match [tx.position(), rx.position()].into_iter().find(|position| !is_position(*position)) {
            Some(position) => Err(Fault::Start { position }),
            None => Ok(Self::new(tx, rx)),
        }
    }

    /// What passed through so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Goes on with the counts of an earlier link of the same channel.
    pub fn continue_counters(&mut self, counters: Counters) {
        self.counters = counters;
    }

    /// The ring this side produces into.
    pub fn tx(&mut self) -> &mut Producer<M> {
        &mut self.tx
    }

    /// The ring this side consumes.
    pub fn rx(&mut self) -> &mut Consumer<M> {
        &mut self.rx
    }

    /// Takes the rings apart again.
    pub fn into_rings(self) -> (Producer<M>, Consumer<M>) {
        (self.tx, self.rx)
    }

    /// Largest payload of a message on a topic of `topic` bytes.
    pub fn max_payload(&self, topic: usize) -> usize {
        self.tx.max_payload().saturating_sub(super::ENVELOPE + topic)
    }

    /// What is wrong when the peer's hint has been ahead of an empty ring for two heartbeats: its view of the ring and ours
    /// will never meet again, and the session is to be closed.
    pub fn wedged(&mut self, now: Duration) -> Option<Fault> {
        if now < self.next_hint_look {
            return None;
        }
        self.next_hint_look = now + HINT_LOOK;
        let Some(hint) = self.rx.unmet_hint() else {
            self.behind_since = None;
            return None;
        };
        let since = *self.behind_since.get_or_insert(now);
        (now.saturating_sub(since) > 2 * BEAT).then(|| Fault::Wedged { hint, position: self.rx.position() })
    }

    #[inline]
    fn push(
        &mut self,
        kind: Kind,
        class: Class,
        id: u64,
        status: Status,
        topic: Option<Topic<'_>>,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let name = topic.map_or("", Topic::as_str);
        let length = ENVELOPE + name.len() + payload.len();
        let mut claim = match self.tx.claim(kind.code(), class, length) {
            Ok(claim) => claim,
            Err(error) => {
                self.counters.full += u64::from(matches!(error, PushError::Full { .. }));
                return Err(self.refused(error, name.len(), payload.len()));
            }
        };
        // Word by word, as it was made: a wider load of what was just stored in parts would wait until every store before
        // it has left the processor, those to lines that the other side still holds among them.
        let [id, rest] = encode(id, topic, 0, status);
        claim.write(0, &id);
        claim.write(id.len(), &rest);
        claim.write(ENVELOPE, name.as_bytes());
        claim.write(ENVELOPE + name.len(), payload);
        claim.commit();
        self.count_sent(payload);
        Ok(())
    }

    #[inline]
    fn count_sent(&mut self, payload: &[u8]) {
        self.counters.sent += 1;
        self.counters.sent_bytes += payload.len() as u64;
    }

    /// Why a record with a topic and a payload of these lengths was not appended.
    #[cold]
    fn refused(&self, error: PushError, topic: usize, payload: usize) -> SendError {
        match error {
            PushError::Full { needed, free } => SendError::Full { needed, free },
            PushError::TooLarge { .. } => {
                SendError::TooLarge { length: payload, max: self.max_payload(topic) }
            }
            PushError::Fault(fault) => SendError::Fault(fault),
        }
    }

    /// Appends a message to the open batch and returns its id; [`flush`](Self::flush) makes it visible. Never blocks.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] leaves the ring as it was, with all earlier messages published.
    #[inline]
    pub fn send(&mut self, topic: Topic<'_>, payload: &[u8]) -> Result<u64, SendError> {
        // The position names the message for as long as the region lives: it never goes back, over every restart.
        let id = self.tx.position();
        self.push(Kind::Message, Class::Message, id, Status::Ok, Some(topic), payload)?;
        Ok(id)
    }

    /// Sends a request named `id`; the response carries the same id. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn request(&mut self, id: u64, topic: Topic<'_>, payload: &[u8]) -> Result<(), SendError> {
        self.push(Kind::Request, Class::Message, id, Status::Ok, Some(topic), payload)
    }

    /// Answers the request `id`. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn respond(&mut self, id: u64, status: Status, payload: &[u8]) -> Result<(), SendError> {
        self.push(Kind::Response, Class::Message, id, status, None, payload)
    }

    /// Sends a ping, which the peer's link answers by itself with a pong of the same id and payload.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, id: u64, payload: &[u8]) -> Result<(), SendError> {
        self.push(Kind::Ping, Class::Control, id, Status::Ok, None, payload)
    }

    /// Largest piece of a message on a topic of `topic` bytes that fits one fragment.
    pub fn max_piece(&self, topic: usize) -> usize {
        self.tx.max_fragment().saturating_sub(super::ENVELOPE + FRAGMENT + topic)
    }

    /// Sends one piece of the message `id`, at most [`max_piece`](Self::max_piece) bytes of it. Only the first piece has a
    /// topic. As [`send`](Self::send), but leaves more of the ring to others.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_piece(
        &mut self,
        fragment: &Fragment,
        id: u64,
        status: Status,
        topic: Option<Topic<'_>>,
        piece: &[u8],
    ) -> Result<(), SendError> {
        let [first, rest] = encode(id, topic, fragment.of.code(), status);
        let name = topic.map_or("", Topic::as_str);
        let parts: [&[u8]; 5] = [&first, &rest, name.as_bytes(), &fragment.encode(), piece];
        match self.tx.push(Kind::Fragment.code(), Class::Bulk, &parts) {
            Ok(_) => self.count_sent(piece),
            Err(error) => return Err(self.refused(error, name.len(), piece.len())),
        }
        Ok(())
    }

    /// Says that a transfer of fragments is over, and how. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn end_transfer(&mut self, transfer: u64, how: u16) -> Result<(), SendError> {
        self.push(Kind::End, Class::Control, transfer, Status::from_code(how), None, &[])
    }

    /// Publishes what was sent since the last flush.
    pub fn flush(&mut self) {
        self.tx.flush();
    }

    /// Says that what was received last is done with: it will not be delivered again. The next
    /// [`receive`](Self::receive) says so too.
    #[inline]
    pub fn ack(&mut self) {
        self.piece = None;
        if core::mem::take(&mut self.pending) {
            self.rx.commit();
        }
    }

    /// Receives the next record into `buffer`. Never blocks; looks at 64 records at most.
    ///
    /// # Errors
    ///
    /// After any error but [`LinkError::Buffer`] the link is of no more use: close the session.
    // In line down to the program, with all that is rare out of it, what is received is handed on in registers. By way of
    // memory it would be stored in parts and loaded whole, and such a load waits for every store before it.
    #[inline(always)]
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Option<Received<'a>>, LinkError> {
        self.ack();
        for _ in 0..BUDGET {
            let Some(record) = self.rx.peek()? else {
                // Whoever finds nothing waits, perhaps for an answer.
                self.tx.prepare();
                return Ok(None);
            };
            let length = record.length();
            if length > buffer.len() {
                return Err(LinkError::Buffer { needed: length, given: buffer.len() });
            }
            match Kind::from_code(record.kind()) {
                None => {
                    self.counters.unknown += 1;
                    self.rx.commit();
                }
                Some(Kind::Ping) => self.answer_ping(&record, &mut buffer[..length])?,
                Some(Kind::Fragment) => return self.fragment(&record, buffer).map(Some),
                Some(kind) => return self.hand_over(kind, &record, &mut buffer[..length]).map(Some),
            }
        }
        Ok(None)
    }

    /// The piece of the fragment that was received last, still in the ring, until that is [done with](Self::ack).
    pub fn piece(&self) -> Option<View<'_, M>> {
        self.piece.as_ref().map(|(record, offset)| self.rx.view(record).after(*offset))
    }

    #[inline(always)]
    fn hand_over<'a>(
        &mut self,
        kind: Kind,
        record: &Record,
        buffer: &'a mut [u8],
    ) -> Result<Received<'a>, LinkError> {
        self.rx.copy_out(record, 0, buffer);
        let Decoded { id, status, topic, payload, .. } = decode(kind, buffer)?;
        self.count_received(record, payload.len());
        Ok(Received {
            kind,
            id,
            topic,
            status,
            payload,
            fragment: None,
            position: record.position(),
            redelivered: record.redelivered(),
        })
    }

    #[inline(never)]
    fn fragment<'a>(&mut self, record: &Record, buffer: &'a mut [u8]) -> Result<Received<'a>, LinkError> {
        // The piece is copied once, to where it is put together.
        let length = record.length();
        let head = &mut buffer[..length.min(FRAGMENT_HEAD)];
        self.rx.copy_out(record, 0, head);
        let decoded = decode(Kind::Fragment, head)?;
        let (fragment, piece) = Fragment::decode(&decoded, length - head.len())?;
        self.piece = Some((*record, length - piece));
        self.count_received(record, piece);
        Ok(Received {
            kind: Kind::Fragment,
            id: decoded.id,
            topic: decoded.topic,
            status: decoded.status,
            payload: &[],
            fragment: Some(fragment),
            position: record.position(),
            redelivered: record.redelivered(),
        })
    }

    #[inline]
    fn count_received(&mut self, record: &Record, bytes: usize) {
        self.pending = true;
        self.counters.received += 1;
        self.counters.received_bytes += bytes as u64;
        self.counters.redelivered += u64::from(record.redelivered());
    }

    #[inline(never)]
    fn answer_ping(&mut self, record: &Record, buffer: &mut [u8]) -> Result<(), LinkError> {
        self.rx.copy_out(record, 0, buffer);
        let ping = decode(Kind::Ping, buffer)?;
        match self.push(Kind::Pong, Class::Control, ping.id, Status::Ok, None, ping.payload) {
            Ok(()) => self.flush(),
            // Rings of two sizes: a ping can be larger than any pong.
            Err(SendError::Full { .. } | SendError::TooLarge { .. } | SendError::NotAttached) => {
                self.counters.pings_dropped += 1;
            }
            Err(SendError::Fault(fault)) => return Err(fault.into()),
        }
        self.rx.commit();
        Ok(())
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use super::*;
    use crate::layout::MAX_POSITION;
    use crate::memory::HeapMemory;

    const CAPACITY: u64 = 1024;

    /// The ring of this number, with one record in it that was published at `start`.
    fn ring(memory: &HeapMemory, index: u64, start: u64) -> RingPlace {
        let place = RingPlace {
            producer: 512 * index,
            consumer: 512 * index + 128,
            data: 1024 + CAPACITY * index,
            capacity: CAPACITY,
        };
        Consumer::start(memory.clone(), place, 7, start, start);
        let mut producer = Producer::start(memory.clone(), place, 7, start);
        producer.push(Kind::Message.code(), Class::Bulk, &[b"eight by"]).expect("there is room");
        producer.flush();
        place
    }

    #[test]
    fn a_ring_that_stands_where_none_gets_to_is_not_taken_over() {
        let last = MAX_POSITION - 24;
        for [tx_start, rx_start, refused] in [
            [0, last, 0],
            [last, 0, 0],
            [last + 8, 0, MAX_POSITION],
            [1 << 63, 0, (1 << 63) + 16],
            [0, MAX_POSITION, MAX_POSITION],
        ] {
            let memory = HeapMemory::new(4096);
            let (tx, rx) = (ring(&memory, 0, tx_start), ring(&memory, 1, rx_start));
            let taken_over = Link::recover(&memory, (tx, 7), (rx, 7));
            let refused = (refused > 0).then_some(Fault::Start { position: refused });
            assert_eq!(taken_over.err(), refused, "{tx_start:#x} {rx_start:#x}");
        }
    }
}
