//! What a guest receives from the host, and how it is done with that.

use std::time::Duration;

use ivring_proto::link::{Arrival, Outcome};

use super::Guest;
use crate::Event;

/// Records looked at in one call: fragments and late answers are no events.
const TURN: usize = 64;

impl Guest {
    /// The next event, if there is one now.
    ///
    /// A message returned here counts as done with at the next call, or when [`ack`](Self::ack) says so; until then a crash
    /// brings it back, marked.
    pub fn poll(&mut self) -> Option<Event> {
        let now = self.started.elapsed();
        if now >= self.next_look {
            self.next_look = now + super::LOOK;
            self.look(now);
        }
        self.pump();
        self.events.pop_front().or_else(|| self.receive(now)).or_else(|| self.events.pop_front())
    }

    /// Sends what waits for room: messages in fragments.
    fn pump(&mut self) {
        if self.exchange.is_sending()
            && let Some(link) = self.end.link()
        {
            // A fault ends the session at the next look.
            self.moved |= self.exchange.pump(link).unwrap_or(false);
        }
    }

    fn receive(&mut self, now: Duration) -> Option<Event> {
        for _ in 0..TURN {
            self.exchange.ack();
            match self.end.receive(now, &mut self.buffer) {
                Ok(Some(received)) => {
                    let started = self.started;
                    let arrival = self.exchange.take(received, self.end.piece(), || started.elapsed());
                    if let Some(arrival) = arrival {
                        return Some(arrival_event(arrival));
                    }
                }
                Ok(None) => {
                    self.exchange.is_drained();
                    break;
                }
                Err(error) => {
                    self.exchange.end();
                    self.take_outcomes();
                    return Some(Event::Fault(error));
                }
            }
        }
        self.take_outcomes();
        // What was said to be done with is told before anybody waits.
        self.pump();
        None
    }

    /// Tells what became of what was sent.
    pub(super) fn take_outcomes(&mut self) {
        while let Some(outcome) = self.exchange.outcome() {
            self.events.push_back(outcome_event(outcome));
        }
    }

    /// Whether messages in fragments are wanted; at first they are. While they are not, those that begin are received,
    /// dropped and counted, and take no memory. Requests and responses are put together always.
    pub fn want_large_messages(&mut self, wanted: bool) {
        self.exchange.want_large_messages(wanted);
    }

    /// Says that all that was received is done with: none of it is delivered again. The next [`poll`](Self::poll) says so
    /// too.
    pub fn ack(&mut self) {
        self.exchange.ack();
        if let Some(link) = self.end.link() {
            link.ack();
            link.rx().release();
        }
    }

    /// Holds back that what is received is done with, until the batch is dropped: a crash before that brings all of it
    /// back, marked. Meanwhile the host gets no space in its ring, so a batch is not to be waited in.
    pub fn batch(&mut self) -> Batch<'_> {
        self.hold(true);
        Batch { guest: self }
    }

    fn hold(&mut self, held: bool) {
        self.exchange.hold(held);
        if let Some(link) = self.end.link() {
            link.rx().hold(held);
        }
    }
}

/// Received messages that are done with together; see [`Guest::batch`]. It is the guest itself meanwhile.
#[derive(Debug)]
pub struct Batch<'a> {
    guest: &'a mut Guest,
}

impl std::ops::Deref for Batch<'_> {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        self.guest
    }
}

impl std::ops::DerefMut for Batch<'_> {
    fn deref_mut(&mut self) -> &mut Guest {
        self.guest
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.guest.hold(false);
        self.guest.ack();
    }
}

/// What arrived, as an event of its own.
fn arrival_event(arrival: Arrival<'_>) -> Event {
    match arrival {
        Arrival::Message { id, topic, payload, redelivered } => {
            let (topic, payload) = (topic.into_owned(), payload.into_owned());
            Event::Message { topic, payload, id, redelivered }
        }
        Arrival::Request { id, topic, payload, redelivered } => {
            let (topic, payload) = (topic.into_owned(), payload.into_owned());
            Event::Request { id, topic, payload, redelivered }
        }
        Arrival::Response { id, status, payload, round_trip } => {
            Event::Response { id, status, payload: payload.into_owned(), round_trip }
        }
        Arrival::Pong { id, round_trip } => Event::Pong { id, round_trip },
    }
}

/// What became of something that was sent, as an event.
fn outcome_event(outcome: Outcome) -> Event {
    match outcome {
        Outcome::Delivered { id } => Event::Delivered { id },
        Outcome::Interrupted { id, kind } => Event::Interrupted { id, kind },
        Outcome::Declined { id, kind, why } => Event::Declined { id, kind, why },
        Outcome::Unanswered { id, why } => Event::Unanswered { id, why },
    }
}
