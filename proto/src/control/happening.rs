//! What happens to a guest beside messages: what became of its session, of what was sent to it, and of what it asks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::layout::WrongWord;
use crate::link::{Kind, LinkError, Status};
use crate::session::{Refusal, SecondWriter};

/// Something that happened to a guest or a region; `event` in the header names it.
///
/// Fields named `detail` repeat the reason for programs; their form follows this crate's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// The guest's heartbeat has stopped.
    Stale,
    /// A stale guest moves again.
    Back,
    /// Messages that the guest never received are given up.
    Undelivered {
        /// How many.
        count: u64,
        /// Number of the first.
        first: u64,
    },
    /// The guest's program has taken a message that went over in fragments.
    Delivered {
        /// Its number.
        message: u64,
    },
    /// The guest's program ended while a message went over in fragments: it may have been received, or not.
    Interrupted {
        /// Its number; of a response the request's.
        message: u64,
        /// A message or a response.
        kind: Kind,
    },
    /// The guest would not take a message that needs fragments.
    Declined {
        /// Its number; of a response the request's.
        message: u64,
        /// A message or a response.
        kind: Kind,
        /// Why.
        why: WhyNot,
    },
    /// Somebody was refused a channel.
    Refused {
        /// Why.
        reason: String,
        /// The same as data.
        detail: Refusal,
    },
    /// The guest wrote what cannot be right.
    Fault {
        /// What.
        reason: String,
        /// The same as data.
        detail: LinkError,
    },
    /// Somebody else writes the server's own heartbeat in the region: nobody is served there until [`Self::Regained`].
    SecondWriter {
        /// What was found.
        reason: String,
        /// The same as data.
        detail: SecondWriter,
    },
    /// Nobody else writes there any more: guests join anew.
    Regained,
    /// A guest has written in the region's superblock: the server has put it right.
    SuperblockMended {
        /// What was found first.
        reason: String,
        /// The same as data.
        detail: WrongWord,
    },
    /// The region's file was taken away or resized: it is not served any more.
    RegionLost {
        /// How.
        reason: String,
    },
    /// The guest asks for something that this connection serves; the body is the request's payload. To be answered with
    /// [`super::Request::Respond`].
    Request {
        /// Names the request on this connection.
        request: u64,
        /// Its topic.
        topic: String,
        /// Whether it may have been handed over before.
        redelivered: bool,
    },
    /// The guest has answered a request of this connection; the body is its answer.
    Response {
        /// The request.
        request: u64,
        /// How it went.
        status: Status,
        /// Time since it was asked, in nanoseconds.
        round_trip_ns: u64,
    },
    /// The guest has answered a ping of this connection.
    Pong {
        /// The ping.
        request: u64,
        /// Time since it was sent, in nanoseconds.
        round_trip_ns: u64,
    },
    /// A request or ping of this connection will not be answered any more.
    Unanswered {
        /// The request or ping.
        request: u64,
        /// Why.
        why: WhyNot,
        /// How long it was waited for, in milliseconds.
        waited_ms: u64,
    },
}

/// Why something that was sent came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Its time is over.
    TimedOut,
    /// The session is over.
    Detached,
    /// The guest's program ended while it was being sent.
    Interrupted,
    /// It is longer than the guest takes.
    TooLarge,
    /// The guest has no memory left for it.
    NoMemory,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyNot::TimedOut => "it was not answered in time",
            WhyNot::Detached => "the session ended",
            WhyNot::Interrupted => "the guest's program ended while it was being sent",
            WhyNot::TooLarge => "it is longer than the guest takes: raise --max-message there",
            WhyNot::NoMemory => "the guest has no memory left to put it together: try again later",
        })
    }
}
