//! One who takes part, as a host or a guest: carries out orders on any memory.

use std::time::Duration;

use ivring_proto::link::{Arrival, Exchange, Link, Outcome, Topic};
use ivring_proto::memory::Memory;

use super::guest::GuestParty;
use super::host::HostParty;
use super::order::{Order, Role, Standing};
use crate::witness::{End, Line, Message, What};

/// The longest message that goes in fragments, in bytes.
pub(super) const MAX_MESSAGE: usize = 64 << 10;

/// Notes what happens, at once.
pub(super) type Tell<'a> = dyn FnMut(Line) + 'a;

/// One who takes part.
pub(super) enum Party<M> {
    Host(Box<HostParty<M>>),
    Guest(Box<GuestParty<M>>),
}

impl<M: Memory + Clone> Party<M> {
    /// Begins a life.
    pub(super) fn begin(
        memory: M,
        role: Role,
        life: u64,
        boot: u64,
        now: Duration,
        tell: &mut Tell<'_>,
    ) -> Self {
        tell(Line::Start { life });
        match role {
            Role::Host => Self::Host(Box::new(HostParty::begin(memory, life, now))),
            Role::Guest(index) => Self::Guest(Box::new(GuestParty::begin(memory, index, life, boot))),
        }
    }

    /// Carries out an order; those of a beginning and an end are somebody else's.
    pub(super) fn perform(&mut self, order: &Order, tell: &mut Tell<'_>) -> Standing {
        let mut said = 0;
        match (&mut *self, order) {
            (Self::Host(host), Order::Turn { now }) => host.turn(*now, tell),
            (Self::Guest(guest), Order::Turn { now }) => guest.turn(*now, tell),
            (Self::Host(host), Order::Say { to, lengths }) => said = host.say(*to, lengths, tell),
            (Self::Guest(guest), Order::Say { lengths, .. }) => said = guest.say(lengths, tell),
            (Self::Host(host), Order::SayLarge { to, length }) => said = host.say_large(*to, *length, tell),
            (Self::Guest(guest), Order::SayLarge { length, .. }) => said = guest.say_large(*length, tell),
            (Self::Host(host), Order::Leave) => host.leave(tell),
            (Self::Guest(guest), Order::Leave) => guest.leave(tell),
            (Self::Host(host), Order::Evict { guest }) => host.evict(*guest),
            (_, Order::Evict { .. } | Order::Begin { .. } | Order::Doom { .. }) => {}
        }
        Standing { attached: self.attached(), said }
    }

    fn attached(&mut self) -> usize {
        match self {
            Self::Host(host) => host.attached(),
            Self::Guest(guest) => guest.attached(),
        }
    }
}

/// Topics, one for each kind of message.
const RECORD: &str = "record";
const LARGE: &str = "large";

/// What one life says to one peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker {
    life: u64,
    records: u64,
    larges: u64,
}

impl Speaker {
    pub(super) fn new(life: u64) -> Self {
        Self { life, records: 0, larges: 0 }
    }

    /// Sends messages of these lengths as one batch, as many as there is room for; notes them once they are published.
    pub(super) fn say<M: Memory>(
        &mut self,
        peer: &str,
        exchange: &mut Exchange,
        link: &mut Link<M>,
        lengths: &[usize],
        tell: &mut Tell<'_>,
    ) -> usize {
        let topic = Topic::new(RECORD).expect("a short word is a topic");
        let mut ids = Vec::new();
        for (length, number) in lengths.iter().zip(self.records..) {
            let payload = Message { life: self.life, number }.payload_of(*length);
            let Ok(id) = exchange.send(link, topic, &payload) else { break };
            ids.push(id);
        }
        link.flush();
        for id in &ids {
            let number = self.records;
            tell(Line::Sent { peer: peer.to_owned(), what: What::Record, number, id: *id });
            self.records += 1;
        }
        ids.len()
    }

    /// Begins to send a message in fragments.
    pub(super) fn say_large<M: Memory>(
        &mut self,
        peer: &str,
        exchange: &mut Exchange,
        link: &mut Link<M>,
        length: usize,
        tell: &mut Tell<'_>,
    ) -> usize {
        let topic = Topic::new(LARGE).expect("a short word is a topic");
        let number = self.larges;
        let payload = Message { life: self.life, number }.payload_of(length);
        let Ok(id) = exchange.send(link, topic, &payload) else { return 0 };
        tell(Line::Sent { peer: peer.to_owned(), what: What::Large, number, id });
        self.larges += 1;
        1
    }
}

/// What to note of something that has arrived.
pub(super) fn heard(peer: &str, arrival: Arrival<'_>) -> Option<Line> {
    let Arrival::Message { topic, payload, redelivered: again, .. } = arrival else { return None };
    let (peer, what) = (peer.to_owned(), if topic == LARGE { What::Large } else { What::Record });
    Some(match Message::check(&payload) {
        Ok(Message { life, number }) => Line::Received { peer, what, life, number, again },
        Err(damage) => Line::Damaged { peer, what: damage.to_string() },
    })
}

/// What to note of the end of something that was sent.
pub(super) fn ended(peer: &str, outcome: Outcome) -> Line {
    let (id, how) = match outcome {
        Outcome::Delivered { id } => (id, End::Delivered),
        Outcome::Interrupted { id, .. } => (id, End::Interrupted),
        Outcome::Declined { id, .. } => (id, End::Declined),
        Outcome::Unanswered { id, .. } => (id, End::TimedOut),
    };
    Line::Ended { peer: peer.to_owned(), id, how }
}

/// An event, for those who read the journal of what went wrong.
pub(super) fn event(peer: &str, what: &str, detail: String) -> Line {
    Line::Event { peer: peer.to_owned(), what: what.to_owned(), detail }
}
