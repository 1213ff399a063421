//! What a guest tells its application.

use std::time::Duration;

use ivring_proto::link::{Declined, Kind, LinkError, Status, Unanswered, Waiting};
use ivring_proto::session::CloseReason;

use crate::region::RegionLost;

/// Something that happened. Everything in it is private memory; text and bytes are the host's own.
#[derive(Debug)]
pub enum Event {
    /// The host sent a message.
    Message {
        /// Topic.
        topic: String,
        /// Payload.
        payload: Vec<u8>,
        /// The host's number for it.
        id: u64,
        /// True when it may have been received before, by a program that ended before it said it was done.
        redelivered: bool,
    },
    /// The host asks for something: answer with [`Guest::respond`](crate::Guest::respond).
    Request {
        /// Names the request.
        id: u64,
        /// Topic.
        topic: String,
        /// Payload.
        payload: Vec<u8>,
        /// True when it may have been received before, by a program that ended before it said it was done.
        redelivered: bool,
    },
    /// The host answers a request.
    Response {
        /// The request.
        id: u64,
        /// How it went.
        status: Status,
        /// Payload.
        payload: Vec<u8>,
        /// Time since it was asked.
        round_trip: Duration,
    },
    /// The host answers a ping.
    Pong {
        /// The ping.
        id: u64,
        /// Time since it was sent.
        round_trip: Duration,
    },
    /// A request or a ping will not be answered any more. What answers it later is dropped and counted.
    Unanswered {
        /// The request or ping.
        id: u64,
        /// Why.
        why: Unanswered,
    },
    /// The host's program has taken a message that went over in fragments, and is done with it.
    Delivered {
        /// The message.
        id: u64,
    },
    /// The host's program ended, or the session did, while a message went over in fragments: it may have been received,
    /// or not.
    Interrupted {
        /// The message; of a response the request's id.
        id: u64,
        /// A message or a response.
        kind: Kind,
    },
    /// The host would not take a message that needs fragments.
    Declined {
        /// The message; of a response the request's id.
        id: u64,
        /// A message or a response.
        kind: Kind,
        /// Why.
        why: Declined,
    },
    /// Waiting for the region, the host or a channel; told once a change.
    Waiting(Waiting),
    /// Attached: messages flow.
    Attached {
        /// Number of the channel.
        channel: u64,
    },
    /// The region's path leads to another file by now: that one is joined. What was in the old one is lost.
    RegionReplaced,
    /// The region's memory was taken away: its file was cut, or its device unplugged. The session is over, and a region is
    /// looked for each second: [`RegionFound`](Event::RegionFound) tells that there is one. If only a page is touched that is
    /// not there, that is told after [`guard_mappings`](crate::guard_mappings); without it the access has ended the process.
    RegionLost(RegionLost),
    /// After [`RegionLost`](Event::RegionLost): a region is there again, the same or another, and is joined.
    RegionFound,
    /// The daemon has been started anew; nothing is lost.
    HostRestarted,
    /// The daemon has ended as it should; messages wait in the ring until it is back.
    HostAway,
    /// The daemon's heartbeat has stopped.
    HostStale,
    /// The daemon is back, or moves again.
    HostBack,
    /// The session is over; another is asked for by itself.
    Detached(CloseReason),
    /// The host wrote what cannot be right: the session is over; another is asked for by itself.
    Fault(LinkError),
    /// A newer program with this identity took the channel; nothing more will happen here.
    Superseded,
}
