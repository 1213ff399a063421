//! What an actor is told to do, and what it tells: JSON, a line each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::witness::Line;

/// Who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    Host,
    /// One of the two guests.
    Guest(usize),
}

/// How many guests there are: one that things happen to, and its neighbour.
pub(super) const GUESTS: usize = 2;

impl Role {
    /// Everybody.
    pub(super) const ALL: [Self; 1 + GUESTS] = [Self::Host, Self::Guest(0), Self::Guest(1)];

    /// What the others call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest(0) => "guest",
            Self::Guest(_) => "neighbour",
        }
    }

    /// Its place in [`Role::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Host => 0,
            Self::Guest(guest) => 1 + guest,
        }
    }
}

/// A word that an actor can be made never to store, so that the checks must find something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Withheld {
    /// The position behind what is published.
    Hint,
    /// The mark of what was handed over.
    Seen,
}

/// What an actor is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Order {
    /// Die before the store that follows so many more, or live on.
    Doom { stores: Option<u64>, withheld: Option<Withheld> },
    /// Begin a life: from what is in the region.
    Begin { role: Role, life: u64, boot: u64, now: Duration },
    /// A round of its loop.
    Turn { now: Duration },
    /// Send messages of these lengths as one batch.
    Say { to: Role, lengths: Vec<usize> },
    /// Send a message in fragments.
    SayLarge { to: Role, length: usize },
    /// End as it should.
    Leave,
    /// As the host, take a guest's channel away.
    Evict { guest: usize },
}

/// What an actor tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Told {
    /// What it would write into a journal.
    Line(Line),
    /// It dies before a store at this offset.
    Dies { at: u64 },
    /// The order is carried out.
    Done(Standing),
}

/// Where an actor stands after an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// With how many peers messages flow.
    pub(super) attached: usize,
    /// How many messages the order has sent.
    pub(super) said: usize,
}
