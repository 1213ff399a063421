//! What the two programs of a link have under way beyond single records: messages in fragments, requests, pings.
//!
//! | file | what |
//! | --- | --- |
//! | `incarnation` | one life of a program, in the numbers it gives |
//! | `outgoing` | messages too large for one record, kept until the peer says how they ended |
//! | `reassembly`, `budget` | the peer's, put together again, and the memory for that |
//! | `asked` | requests and pings that wait for their answers |
//! | `waiting_answers` | answers to the peer's own requests, which wait for room |
//! | `outcome` | what arrives, and how everything ends |
//!
//! It needs memory, and so the feature `std`; a link alone does not.

mod asked;
mod budget;
mod incarnation;
mod outcome;
mod outgoing;
mod reassembly;
mod waiting_answers;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use super::{Kind, Link, Received, SendError, Status, Topic};
use crate::layout::Version;
use crate::memory::Memory;
use crate::ring::View;
use asked::{Asked, Question};
use outcome::Ending;
use outgoing::{Outgoing, Transfer};
use reassembly::{Reassembly, Whole};

pub use budget::Budget;
pub use incarnation::{Incarnation, is_transfer};
pub use outcome::{Arrival, Declined, Outcome, Unanswered};
pub use waiting_answers::{Tried, WaitingAnswers};

/// Transfers that a sender may have begun and not seen ended.
pub const WINDOW: usize = 16;
/// Longest message by default, in bytes.
pub const DEFAULT_MAX_MESSAGE: usize = 64 << 20;
/// Memory that a process uses by default to put fragments together, in bytes, for all its links.
pub const DEFAULT_MAX_REASSEMBLY: usize = 256 << 20;

/// What came to nothing on a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Losses {
    /// Answers that came when nobody waited for them any more, dropped.
    pub late: u64,
    /// Fragments of messages whose beginning another process had received, dropped.
    pub stray_fragments: u64,
    /// Messages in fragments that came while nobody wanted any, dropped.
    pub unwanted: u64,
    /// Messages whose transfer was interrupted.
    pub interrupted: u64,
    /// Messages that the peer would not take.
    pub declined: u64,
    /// Requests and pings that were not answered.
    pub unanswered: u64,
    /// The peer's requests whose answers were dropped: it did not receive those that waited already.
    #[cfg_attr(feature = "control", serde(default))]
    pub answers_lost: u64,
}

/// Both programs' dealings over one link, seen from one side. Nothing here blocks or reads a clock.
///
/// Its owner calls [`ack`](Self::ack) and [`take`](Self::take) around each record that it receives, [`pump`](Self::pump) in
/// every round of its loop, and [`outcome`](Self::outcome) until there is none.
#[derive(Debug)]
pub struct Exchange {
    asked: Asked,
    outgoing: Outgoing,
    incoming: Reassembly,
    max_message: usize,
    /// Whether the peer knows fragments.
    fragments: bool,
    /// The peer has begun a new life, and words of the old one may still be in the ring up to this position.
    settling: Option<(Incarnation, u64)>,
    outcomes: VecDeque<Outcome>,
    losses: Losses,
}

impl Exchange {
    /// For one channel. `max_message` is the longest message in bytes, either way; `budget` is for putting together what
    /// comes in fragments.
    pub fn new(max_message: usize, budget: Budget) -> Self {
        // Until a session begins nothing is sent, and the number is of no meaning.
        let nobody = Incarnation::of(0);
        Exchange {
            asked: Asked::new(nobody),
            // One to be sent and one to be sent back.
            outgoing: Outgoing::new(nobody, max_message.saturating_mul(2)),
            incoming: Reassembly::new(budget, max_message),
            max_message,
            fragments: false,
            settling: None,
            outcomes: VecDeque::new(),
            losses: Losses::default(),
        }
    }

    /// A session begins, or its link goes on in this process. `own` is this side's life.
    pub fn begin(&mut self, own: Incarnation, version: Version) {
        self.renumber(own);
        self.fragments = version >= Version::WITH_FRAGMENTS;
    }

    /// This side begins a new life with the same link.
    pub fn renumber(&mut self, own: Incarnation) {
        self.asked.renumber(own);
        self.outgoing.renumber(own);
    }

    /// Another life of the peer's program goes on with the rings, and nothing that the one before it wrote is unread.
    pub fn peer_was_replaced(&mut self) {
        // The new one has numbers of its own.
        self.incoming.clear();
        self.outgoing.doubt();
        self.give_up_doubtful();
    }

    /// Another life of the peer's program goes on with the rings. What the one before it wrote may still be unread: this
    /// takes effect when the inbound ring is empty next, or has been gone through once.
    pub fn peer_is_being_replaced<M: Memory>(&mut self, peer: Incarnation, link: &mut Link<M>) {
        self.outgoing.doubt();
        let rx = link.rx();
        self.settling = Some((peer, rx.position().wrapping_add(rx.capacity())));
    }

    /// The session is over: everything that is under way comes to nothing, and is told.
    pub fn end(&mut self) {
        while let Some(transfer) = self.outgoing.first() {
            self.interrupted(&transfer, Unanswered::Detached);
        }
        for id in self.asked.all() {
            self.unanswered(id, Unanswered::Detached);
        }
        self.incoming.clear();
        self.settling = None;
        self.fragments = false;
    }

    /// The longest payload that can be sent, where one of `record` bytes fits a record.
    pub fn max_payload(&self, record: usize) -> usize {
        if self.fragments { record.max(self.max_message) } else { record }
    }

    /// Sends a message and returns its number. One that fits a record is in the open batch then, see [`Link::send`]; a
    /// longer one is copied, and goes out as [`pump`](Self::pump) finds room. It is followed by [`Outcome::Delivered`],
    /// [`Outcome::Interrupted`] or [`Outcome::Declined`].
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent then.
    #[inline]
    pub fn send<M: Memory>(
        &mut self,
        link: &mut Link<M>,
        topic: Topic<'_>,
        payload: &[u8],
    ) -> Result<u64, SendError> {
        if payload.len() <= link.max_payload(topic.as_str().len()) {
            return link.send(topic, payload);
        }
        self.keep(link, Kind::Message, None, Status::Ok, Some(topic), payload)
    }

    /// Sends a request and returns its number. It is followed by [`Arrival::Response`] or [`Outcome::Unanswered`], within
    /// `patience`. As [`send`](Self::send) otherwise.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn request<M: Memory>(
        &mut self,
        link: &mut Link<M>,
        now: Duration,
        topic: Topic<'_>,
        payload: &[u8],
        patience: Duration,
    ) -> Result<u64, SendError> {
        let id = self.asked.number();
        if payload.len() <= link.max_payload(topic.as_str().len()) {
            link.request(id, topic, payload)?;
        } else {
            self.keep(link, Kind::Request, Some(id), Status::Ok, Some(topic), payload)?;
        }
        self.asked.wait(id, Question::Request, now, patience);
        Ok(id)
    }

    /// Sends a ping, which the peer's link answers by itself. As [`request`](Self::request), with [`Arrival::Pong`]. Its
    /// payload must fit a record.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping<M: Memory>(
        &mut self,
        link: &mut Link<M>,
        now: Duration,
        payload: &[u8],
        patience: Duration,
    ) -> Result<u64, SendError> {
        let id = self.asked.number();
        link.ping(id, payload)?;
        self.asked.wait(id, Question::Ping, now, patience);
        Ok(id)
    }

    /// Answers the peer's request `id`. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn respond<M: Memory>(
        &mut self,
        link: &mut Link<M>,
        id: u64,
        status: Status,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if payload.len() <= link.max_payload(0) {
            return link.respond(id, status, payload);
        }
        self.keep(link, Kind::Response, Some(id), status, None, payload).map(|_| ())
    }

    fn keep<M: Memory>(
        &mut self,
        link: &Link<M>,
        kind: Kind,
        id: Option<u64>,
        status: Status,
        topic: Option<Topic<'_>>,
        payload: &[u8],
    ) -> Result<u64, SendError> {
        let max = self.max_payload(link.max_payload(topic.map_or(0, |topic| topic.as_str().len())));
        if payload.len() > max {
            return Err(SendError::TooLarge { length: payload.len(), max });
        }
        self.outgoing.keep(kind, id, status, topic, payload)
    }

    /// The program dropped so many answers to the peer's requests: there was no room to keep them.
    pub fn lose_answers(&mut self, count: u64) {
        self.losses.answers_lost += count;
    }

    /// Another peer gets the channel: what came to nothing with the one before is none of its.
    pub fn forget_losses(&mut self) {
        self.losses = Losses::default();
        self.incoming.forget_losses();
    }

    /// Bytes of answers that are kept until the peer has them.
    pub fn kept_answers(&self) -> usize {
        self.outgoing.answers()
    }

    /// Bytes that the peer has this process hold: of a message that is not whole yet, and of answers that it has not taken.
    pub fn held(&self) -> usize {
        self.incoming.held() + self.outgoing.answers()
    }

    /// Nobody waits for the answer to this request or ping any more. One that comes later is dropped and counted.
    pub fn give_up(&mut self, id: u64) {
        self.asked.give_up(id);
    }

    /// Bytes of messages in fragments that may be kept now, beside those that are being sent.
    pub fn room(&self) -> usize {
        self.outgoing.free()
    }

    /// Whether something waits to be sent by [`pump`](Self::pump), that can be sent once there is room.
    pub fn is_sending(&self) -> bool {
        self.outgoing.is_sending() || self.incoming.ending().is_some()
    }

    /// Sends what there is room for of all that waits, and publishes it; gives up what has waited too long. Says whether
    /// anything was sent. Bounded: at most 16 fragments a call.
    ///
    /// # Errors
    ///
    /// [`SendError::Fault`] when the peer broke the ring.
    pub fn pump<M: Memory>(&mut self, link: &mut Link<M>) -> Result<bool, SendError> {
        let mut moved = false;
        while let Some((transfer, ending)) = self.incoming.ending() {
            match link.end_transfer(transfer, ending.code()) {
                Ok(()) => self.incoming.told(),
                Err(SendError::Full { .. }) => break,
                Err(error) => return Err(error),
            }
            moved = true;
        }
        if moved {
            link.flush();
        }
        Ok(self.outgoing.pump(link)? || moved)
    }

    /// Gives up requests and pings that have waited too long.
    pub fn expire(&mut self, now: Duration) {
        for (id, waited) in self.asked.overdue(now) {
            self.unanswered(id, Unanswered::TimedOut { waited });
        }
    }

    /// What was handed over last is done with. The owner says so before it looks for the next record, as the link does.
    #[inline]
    pub fn ack(&mut self) {
        self.incoming.ack();
    }

    /// Holds [`ack`](Self::ack) back, or ends that: the program is done with all it got meanwhile at once.
    pub fn hold(&mut self, held: bool) {
        self.incoming.hold(held);
    }

    /// Whether messages in fragments are wanted. While they are not, those that begin are received, dropped and counted
    /// without being put together; requests and responses are put together always.
    pub fn want_large_messages(&mut self, wanted: bool) {
        self.incoming.want(wanted);
    }

    /// Takes a record that the link received, with its [piece](Link::piece) if it is a fragment; returns what arrived with
    /// it, if that is for the program. The time is asked for only where it matters.
    // In line for the same reason as what it takes, see `Link::receive`.
    #[inline(always)]
    pub fn take<'a, M: Memory>(
        &mut self,
        received: Received<'a>,
        piece: Option<View<'_, M>>,
        now: impl FnOnce() -> Duration,
    ) -> Option<Arrival<'a>> {
        self.settle(received.position);
        let Received { kind, id, topic, payload, redelivered, .. } = received;
        let (topic, payload) = (Cow::Borrowed(topic), Cow::Borrowed(payload));
        match kind {
            Kind::Message => Some(Arrival::Message { id, topic, payload, redelivered }),
            Kind::Request => Some(Arrival::Request { id, topic, payload, redelivered }),
            _ => self.take_other(received, piece, now),
        }
    }

    #[inline(never)]
    fn take_other<'a, M: Memory>(
        &mut self,
        received: Received<'a>,
        piece: Option<View<'_, M>>,
        now: impl FnOnce() -> Duration,
    ) -> Option<Arrival<'a>> {
        let Received { kind, id, status, payload, .. } = received;
        match kind {
            Kind::Response => self.response(id, status, Cow::Borrowed(payload), now()),
            Kind::Pong => {
                let round_trip = self.answered(id, Question::Ping, now())?;
                Some(Arrival::Pong { id, round_trip })
            }
            Kind::Fragment => {
                let fragment = received.fragment?;
                let whole = self.incoming.take(&received, &fragment, &piece?);
                self.losses.stray_fragments = self.incoming.dropped();
                self.losses.unwanted = self.incoming.unwanted();
                self.whole(whole?, now())
            }
            Kind::End => {
                self.transfer_ended(id, Ending::from_code(status.code()));
                None
            }
            // The link answers pings itself, and the others are no matter of requests or fragments.
            Kind::Ping | Kind::Message | Kind::Request => None,
        }
    }

    /// The inbound ring is empty.
    pub fn is_drained(&mut self) {
        if self.settling.is_some() {
            self.settle_now();
        }
    }

    #[inline]
    fn settle(&mut self, position: u64) {
        let passed = |limit: u64| position.wrapping_sub(limit).cast_signed() >= 0;
        if self.settling.is_some_and(|(_, limit)| passed(limit)) {
            self.settle_now();
        }
    }

    fn settle_now(&mut self) {
        if let Some((peer, _)) = self.settling.take() {
            self.give_up_doubtful();
            self.incoming.keep_only(peer);
        }
    }

    fn give_up_doubtful(&mut self) {
        while let Some(transfer) = self.outgoing.doubtful() {
            if let Some(number) = transfer.unfinished() {
                // The new program may hold the beginning of it.
                self.incoming.end(number, Ending::Interrupted);
            }
            self.interrupted(&transfer, Unanswered::Interrupted);
        }
    }

    fn whole(&mut self, whole: Whole, now: Duration) -> Option<Arrival<'static>> {
        let Whole { kind, id, status, topic, payload, redelivered } = whole;
        let (topic, payload) = (Cow::Owned(topic), Cow::Owned(payload));
        match kind {
            Kind::Message => Some(Arrival::Message { id, topic, payload, redelivered }),
            Kind::Request => Some(Arrival::Request { id, topic, payload, redelivered }),
            // A fragment is of nothing else.
            _ => self.response(id, status, payload, now),
        }
    }

    fn response<'a>(
        &mut self,
        id: u64,
        status: Status,
        payload: Cow<'a, [u8]>,
        now: Duration,
    ) -> Option<Arrival<'a>> {
        let round_trip = self.answered(id, Question::Request, now)?;
        Some(Arrival::Response { id, status, payload, round_trip })
    }

    fn answered(&mut self, id: u64, question: Question, now: Duration) -> Option<Duration> {
        let round_trip = self.asked.answered(id, question, now);
        self.losses.late += u64::from(round_trip.is_none());
        round_trip
    }

    /// The peer says that a transfer is over: one of ours, which it received, or its own.
    fn transfer_ended(&mut self, number: u64, ending: Ending) {
        let Some(transfer) = self.outgoing.ended(number) else {
            self.incoming.abandoned(number);
            return;
        };
        match ending {
            Ending::Delivered if transfer.kind == Kind::Message => {
                self.outcomes.push_back(Outcome::Delivered { id: transfer.id });
            }
            // The answer to a request says that it arrived, and an answer is told of only if it did not.
            Ending::Delivered => {}
            Ending::TooLarge => self.declined(&transfer, Declined::TooLarge),
            Ending::NoMemory => self.declined(&transfer, Declined::NoMemory),
            Ending::Interrupted => self.interrupted(&transfer, Unanswered::Interrupted),
        }
    }

    fn declined(&mut self, transfer: &Transfer, why: Declined) {
        self.losses.declined += 1;
        let Transfer { id, kind, .. } = *transfer;
        if kind != Kind::Request {
            self.outcomes.push_back(Outcome::Declined { id, kind, why });
        } else if self.asked.give_up(id) {
            self.unanswered(id, Unanswered::Declined(why));
        }
    }

    fn interrupted(&mut self, transfer: &Transfer, of_request: Unanswered) {
        self.losses.interrupted += 1;
        let Transfer { id, kind, .. } = *transfer;
        if kind != Kind::Request {
            self.outcomes.push_back(Outcome::Interrupted { id, kind });
        } else if self.asked.give_up(id) {
            self.unanswered(id, of_request);
        }
    }

    fn unanswered(&mut self, id: u64, why: Unanswered) {
        self.losses.unanswered += 1;
        self.outcomes.push_back(Outcome::Unanswered { id, why });
    }

    /// What became of something that was sent, if there is news.
    pub fn outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// What came to nothing so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }
}
