//! How things end that are more than one record.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::link::{Kind, Status};

/// What the peer sent, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// A message.
    Message {
        /// The sender's number for it.
        id: u64,
        /// Its topic.
        topic: Cow<'a, str>,
        /// Its payload.
        payload: Cow<'a, [u8]>,
        /// Whether it may have been received before, by a process that ended before it said it was done.
        redelivered: bool,
    },
    /// A request: to be answered under the same number.
    Request {
        /// The sender's number for it.
        id: u64,
        /// Its topic.
        topic: Cow<'a, str>,
        /// Its payload.
        payload: Cow<'a, [u8]>,
        /// Whether it may have been received before, by a process that ended before it said it was done.
        redelivered: bool,
    },
    /// The answer to a request that still waits for it.
    Response {
        /// The request.
        id: u64,
        /// How it went.
        status: Status,
        /// The answer.
        payload: Cow<'a, [u8]>,
        /// Time since it was asked.
        round_trip: Duration,
    },
    /// The answer to a ping that still waits for it.
    Pong {
        /// The ping.
        id: u64,
        /// Time since it was sent.
        round_trip: Duration,
    },
}

impl Arrival<'_> {
    /// The same in memory of its own: out of the buffer that the next record needs.
    pub fn into_owned(self) -> Arrival<'static> {
        match self {
            Arrival::Message { id, topic, payload, redelivered } => {
                let (topic, payload) = (Cow::Owned(topic.into_owned()), Cow::Owned(payload.into_owned()));
                Arrival::Message { id, topic, payload, redelivered }
            }
            Arrival::Request { id, topic, payload, redelivered } => {
                let (topic, payload) = (Cow::Owned(topic.into_owned()), Cow::Owned(payload.into_owned()));
                Arrival::Request { id, topic, payload, redelivered }
            }
            Arrival::Response { id, status, payload, round_trip } => {
                Arrival::Response { id, status, payload: Cow::Owned(payload.into_owned()), round_trip }
            }
            Arrival::Pong { id, round_trip } => Arrival::Pong { id, round_trip },
        }
    }
}

/// What became of something that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The peer's program has taken a message that was sent in fragments.
    Delivered {
        /// The message.
        id: u64,
    },
    /// The peer's program ended, or the session did, while a message went over in fragments: it may have been received,
    /// or not.
    Interrupted {
        /// The message; of a response the request's number.
        id: u64,
        /// A message or a response.
        kind: Kind,
    },
    /// The peer would not take a message that needs fragments.
    Declined {
        /// The message; of a response the request's number.
        id: u64,
        /// A message or a response.
        kind: Kind,
        /// Why.
        why: Declined,
    },
    /// A request or a ping will not be answered any more. What answers it later is dropped and counted.
    Unanswered {
        /// The request or ping.
        id: u64,
        /// Why.
        why: Unanswered,
    },
}

/// Why a peer would not take a message that needs fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It is longer than the peer takes.
    #[error("it is longer than the other side takes: raise --max-message there")]
    TooLarge,
    /// The peer has no memory left for it.
    #[error("the other side has no memory left to put it together: try again later")]
    NoMemory,
}

/// Why a request or a ping was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Its time is over.
    TimedOut {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The session is over.
    Detached,
    /// The peer's program ended while the request went over in fragments.
    Interrupted,
    /// The peer would not take a request that needs fragments.
    Declined(Declined),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::TimedOut { waited } => write!(f, "no answer within {} s", waited.as_secs_f64()),
            Unanswered::Detached => f.write_str("the session ended before the answer"),
            Unanswered::Interrupted => f.write_str("the other side's program ended while it was being sent"),
            Unanswered::Declined(why) => write!(f, "it was not taken: {why}"),
        }
    }
}

/// How a transfer of fragments ended, as one side tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Delivered,
    TooLarge,
    NoMemory,
    /// One side does not have what went before, or does not go on.
    Interrupted,
}

impl Ending {
    pub(super) const fn code(self) -> u16 {
        match self {
            Ending::Delivered => 0,
            Ending::TooLarge => 1,
            Ending::NoMemory => 2,
            Ending::Interrupted => 3,
        }
    }

    /// Codes of newer versions are some failure or other.
    pub(super) const fn from_code(code: u16) -> Self {
        match code {
            0 => Ending::Delivered,
            1 => Ending::TooLarge,
            2 => Ending::NoMemory,
            _ => Ending::Interrupted,
        }
    }
}
