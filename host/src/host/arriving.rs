//! What a host receives from its guests, and how it is done with that.

use std::ops::ControlFlow;
use std::time::Instant;

use ivring_proto::link::{Arrival, Exchange, HostEnd, Outcome};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::Identity;

use super::Host;
use crate::Event;

/// Records taken from one guest before the next one's turn.
const TURN: usize = 64;

impl Host {
    /// The next event, if there is one now.
    ///
    /// A message returned here counts as done with at the next call for the same guest, or when [`ack`](Self::ack) says so;
    /// until then a crash brings it back, marked.
    pub fn poll(&mut self) -> Option<Event> {
        self.serve_clients();
        loop {
            let event = self.next_event()?;
            // What a client had asked for is not the application's.
            if let Some(event) = self.show(event) {
                return Some(event);
            }
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        let mut found = self.poll_sessions();
        if found.is_none() {
            self.receive(TURN, |guest, arrival| {
                found = Some(arrival_event(*guest, arrival));
                ControlFlow::Break(())
            });
        }
        // A fault was found instead of a message.
        found.or_else(|| self.queue.pop_front())
    }

    /// Hands what guests have sent to `take`, and returns how many records that took, at most `most`. Every guest gets its
    /// turn. A message in fragments is handed over with its last one.
    ///
    /// What is handed over counts as done with when the next record of the same guest is looked for; until then a crash
    /// brings it back, marked. `take` breaks off to have something done before that. Faults are told by
    /// [`poll_sessions`](Self::poll_sessions).
    pub fn receive(
        &mut self,
        most: usize,
        mut take: impl FnMut(&Identity, Arrival<'_>) -> ControlFlow<()>,
    ) -> usize {
        let mut taken = 0;
        let mut flow = ControlFlow::Continue(());
        // A round that an earlier call began says nothing of those who had their turn in it.
        let mut whole = self.turn.is_none() && self.rota.is_at_start();
        while taken < most && self.lost.is_none() && flow.is_continue() {
            let Some((index, had)) = self.turn.take().or_else(|| Some((self.rota.next()?, 0))) else {
                if whole || taken > 0 {
                    break;
                }
                whole = true;
                continue;
            };
            let took = self.receive_from(index, (TURN - had).min(most - taken), &mut flow, &mut take);
            taken += took;
            if (taken >= most || flow.is_break()) && had + took < TURN {
                self.turn = Some((index, had + took));
            }
        }
        if taken == 0 {
            self.publish();
        }
        self.moved |= taken > 0;
        // What was said to be done with is told before anybody waits.
        self.pump();
        taken
    }

    /// Hands over at most `most` records of one guest.
    fn receive_from(
        &mut self,
        index: usize,
        most: usize,
        flow: &mut ControlFlow<()>,
        take: &mut impl FnMut(&Identity, Arrival<'_>) -> ControlFlow<()>,
    ) -> usize {
        let (end, exchange, started) = (&mut self.ends[index], &mut self.exchanges[index], self.started);
        if !self.rota.is_hot(index) && end.is_quiet() {
            return 0;
        }
        let Some(guest) = end.channel().binding().map(|binding| binding.identity) else { return 0 };
        let mut taken = 0;
        while taken < most && flow.is_continue() {
            exchange.ack();
            match end.receive(&mut self.buffer) {
                Ok(Some(received)) => {
                    if let Some(arrival) = exchange.take(received, end.piece(), || started.elapsed()) {
                        *flow = take(&guest, arrival);
                    }
                }
                Ok(None) => {
                    exchange.is_drained();
                    break;
                }
                Err(error) => {
                    // Without its pages the region is lost, and that is told at the next look.
                    if self.region.memory.broken_at().is_none() {
                        self.faults.note(&guest, error.to_string(), Instant::now());
                        self.queue.push_back(Event::Fault { guest, error });
                    }
                    break;
                }
            }
            if taken == 0 {
                self.rota.heat(index);
                if self.held {
                    hold(end, exchange, true);
                }
            }
            taken += 1;
        }
        self.sending |= exchange.is_sending();
        if taken == 0 && !self.held && !exchange.is_sending() {
            if let Some(link) = end.link() {
                link.flush();
            }
            self.rota.cool(index);
        }
        taken
    }

    /// Whether messages in fragments are wanted; at first they are. While they are not, those that begin are received,
    /// dropped and counted, and take no memory. Requests and responses are put together always.
    pub fn want_large_messages(&mut self, wanted: bool) {
        if std::mem::replace(&mut self.large_wanted, wanted) != wanted {
            self.exchanges.iter_mut().for_each(|exchange| exchange.want_large_messages(wanted));
        }
    }

    /// Says that all that was received from a guest is done with: none of it is delivered again. The next call that looks
    /// for more from the same guest says so too.
    pub fn ack(&mut self, guest: &Identity) {
        if self.lost.is_some() {
            return;
        }
        let Some(index) = self.index_of(guest) else { return };
        self.exchanges[index].ack();
        self.sending = true;
        if let Some(link) = self.ends[index].link() {
            link.ack();
            link.rx().release();
        }
    }

    /// Holds back that what is received from guests is done with, until the batch is dropped: a crash before that brings
    /// all of it back, marked. Meanwhile guests get no space in their rings, so a batch is not to be waited in.
    pub fn batch(&mut self) -> Batch<'_> {
        self.hold(true);
        Batch { host: self }
    }

    fn hold(&mut self, held: bool) {
        self.held = held;
        for &index in self.rota.hot() {
            hold(&mut self.ends[index], &mut self.exchanges[index], held);
        }
    }
}

fn hold(end: &mut HostEnd<MappedFile>, exchange: &mut Exchange, held: bool) {
    exchange.hold(held);
    if let Some(link) = end.link() {
        link.rx().hold(held);
    }
}

/// Received messages that are done with together; see [`Host::batch`]. It is the host itself meanwhile.
#[derive(Debug)]
pub struct Batch<'a> {
    host: &'a mut Host,
}

impl std::ops::Deref for Batch<'_> {
    type Target = Host;

    fn deref(&self) -> &Host {
        self.host
    }
}

impl std::ops::DerefMut for Batch<'_> {
    fn deref_mut(&mut self) -> &mut Host {
        self.host
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.host.hold(false);
        self.host.sending = true;
        for &index in self.host.rota.hot() {
            self.host.exchanges[index].ack();
            if let Some(link) = self.host.ends[index].link() {
                link.ack();
                link.rx().release();
            }
        }
    }
}

/// What arrived, as an event of its own.
fn arrival_event(guest: Identity, arrival: Arrival<'_>) -> Event {
    match arrival {
        Arrival::Message { id, topic, payload, redelivered } => {
            let (topic, payload) = (topic.into_owned(), payload.into_owned());
            Event::Message { guest, topic, payload, id, redelivered }
        }
        Arrival::Request { id, topic, payload, redelivered } => {
            let (topic, payload) = (topic.into_owned(), payload.into_owned());
            Event::Request { guest, id, topic, payload, redelivered }
        }
        Arrival::Response { id, status, payload, round_trip } => {
            Event::Response { guest, id, status, payload: payload.into_owned(), round_trip }
        }
        Arrival::Pong { id, round_trip } => Event::Pong { guest, id, round_trip },
    }
}

/// What became of something that was sent, as an event.
pub(super) fn outcome_event(guest: Identity, outcome: Outcome) -> Event {
    match outcome {
        Outcome::Delivered { id } => Event::Delivered { guest, id },
        Outcome::Interrupted { id, kind } => Event::Interrupted { guest, id, kind },
        Outcome::Declined { id, kind, why } => Event::Declined { guest, id, kind, why },
        Outcome::Unanswered { id, why } => Event::Unanswered { guest, id, why },
    }
}
