//! What a guest receives from the host, and how it is done with that.

use std::ops::ControlFlow;

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
        let mut found = self.poll_session();
        if found.is_none() {
            self.receive(TURN, |arrival| {
                found = Some(arrival_event(arrival));
                ControlFlow::Break(())
            });
        }
        // A fault was found instead of a message, or what became of one that was sent.
        found.or_else(|| self.events.pop_front())
    }

    /// The next event of the session, if there is one now: everything but what the host sends. Together with
    /// [`receive`](Self::receive) it does what [`poll`](Self::poll) does, for a loop that is in a hurry.
    pub fn poll_session(&mut self) -> Option<Event> {
        self.now = self.started.elapsed();
        if self.now >= self.next_look {
            self.next_look = self.now + super::LOOK;
            self.look(self.now);
            self.flush();
        }
        self.pump();
        self.events.pop_front()
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

    /// Hands what the host has sent to `take`, and returns how many records that took, at most `most`. A message in
    /// fragments is handed over with its last one.
    ///
    /// What is handed over counts as done with when the next record is looked for; until then a crash brings it back,
    /// marked. `take` breaks off to have something done before that. Faults are told by
    /// [`poll_session`](Self::poll_session).
    pub fn receive(&mut self, most: usize, mut take: impl FnMut(Arrival<'_>) -> ControlFlow<()>) -> usize {
        let mut taken = 0;
        let mut flow = ControlFlow::Continue(());
        while taken < most && flow.is_continue() {
            self.exchange.ack();
            match self.end.receive(self.now, &mut self.buffer) {
                Ok(Some(received)) => {
                    let started = self.started;
                    if let Some(arrival) =
                        self.exchange.take(received, self.end.piece(), || started.elapsed())
                    {
                        flow = take(arrival);
                    }
                }
                Ok(None) => {
                    self.exchange.is_drained();
                    break;
                }
                Err(error) => {
                    // Without its pages the region is lost, and that is told at the next look.
                    if self.region.memory.broken_at().is_none() {
                        self.events.push_back(Event::Fault(error));
                    }
                    self.exchange.end();
                    break;
                }
            }
            taken += 1;
        }
        self.take_outcomes();
        if taken == 0 {
            // What was pushed does not wait for company.
            self.flush();
        }
        // What was said to be done with is told before anybody waits.
        self.pump();
        taken
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
