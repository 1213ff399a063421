//! Pings and requests of control clients that wait for the host's answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_proto::control::ClientId;

/// Calls that may be open at a time.
pub(super) const MOST: usize = 4096;

/// What the host was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Ping,
    Request,
}

/// One call that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) client: ClientId,
    /// The client's number for it.
    pub(super) id: u64,
    pub(super) asked: Asked,
    pub(super) sent: Instant,
    pub(super) timeout: Duration,
}

impl Call {
    fn deadline(&self) -> Instant {
        // A timeout has 32 bits of milliseconds; no clock overflows in 50 days.
        self.sent + self.timeout
    }
}

/// The calls that wait, by their number on the link.
#[derive(Debug)]
pub(super) struct Calls {
    open: HashMap<u64, Call>,
    last: u64,
    /// No call is due before.
    earliest: Option<Instant>,
}

impl Calls {
    /// Numbers begin at random: an answer to the program that had this channel before is nobody's here.
    pub(super) fn new(random: u64) -> Self {
        Calls { open: HashMap::new(), last: random, earliest: None }
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MOST
    }

    /// A number for the next call on the link.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    pub(super) fn insert(&mut self, number: u64, call: Call) {
        let deadline = call.deadline();
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        self.open.insert(number, call);
    }

    /// The call that this answer is for; `None` for one that nobody waits for.
    pub(super) fn answered(&mut self, number: u64, asked: Asked) -> Option<Call> {
        if self.open.get(&number)?.asked != asked {
            return None;
        }
        self.open.remove(&number)
    }

    /// Takes out the calls whose time is over.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Call> {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return Vec::new();
        }
        let overdue = self.open.extract_if(|_, call| call.deadline() <= now).map(|(_, call)| call).collect();
        self.earliest = self.open.values().map(Call::deadline).min();
        overdue
    }

    /// Takes out all calls.
    pub(super) fn give_up(&mut self) -> Vec<Call> {
        self.earliest = None;
        self.open.drain().map(|(_, call)| call).collect()
    }
}
