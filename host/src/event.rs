//! What a host tells its application.

use std::time::Duration;

use ivring_proto::layout::WrongWord;
use ivring_proto::link::{Declined, Kind, LinkError, Status, Unanswered, Undelivered};
use ivring_proto::session::{CloseReason, Identity, Refusal, SecondWriter};

use crate::region_file::RegionLost;

/// Something that happened in a region. Everything in it is private memory; text and bytes are the guest's own.
#[derive(Debug)]
pub enum Event {
    /// A guest sent a message.
    Message {
        /// Who sent it.
        guest: Identity,
        /// Topic.
        topic: String,
        /// Payload.
        payload: Vec<u8>,
        /// The guest's number for it.
        id: u64,
        /// True when it may have been received before, by a host that ended before it said it was done.
        redelivered: bool,
    },
    /// A guest asks for something: answer with [`Host::respond`](crate::Host::respond).
    Request {
        /// Who asks.
        guest: Identity,
        /// Names the request.
        id: u64,
        /// Topic.
        topic: String,
        /// Payload.
        payload: Vec<u8>,
        /// True when it may have been received before, by a host that ended before it said it was done.
        redelivered: bool,
    },
    /// A guest answers a request.
    Response {
        /// Who answers.
        guest: Identity,
        /// The request.
        id: u64,
        /// How it went.
        status: Status,
        /// Payload.
        payload: Vec<u8>,
        /// Time since it was asked.
        round_trip: Duration,
    },
    /// A guest answers a ping.
    Pong {
        /// Who answers.
        guest: Identity,
        /// The ping.
        id: u64,
        /// Time since it was sent.
        round_trip: Duration,
    },
    /// A request or a ping will not be answered any more. What answers it later is dropped and counted.
    Unanswered {
        /// Who was asked.
        guest: Identity,
        /// The request or ping.
        id: u64,
        /// Why.
        why: Unanswered,
    },
    /// The guest's program has taken a message that went over in fragments, and is done with it.
    Delivered {
        /// Who.
        guest: Identity,
        /// The message.
        id: u64,
    },
    /// The guest's program ended, or the session did, while a message went over in fragments: it may have been received,
    /// or not.
    Interrupted {
        /// Who was to receive it.
        guest: Identity,
        /// The message; of a response the request's id.
        id: u64,
        /// A message or a response.
        kind: Kind,
    },
    /// The guest would not take a message that needs fragments.
    Declined {
        /// Who.
        guest: Identity,
        /// The message; of a response the request's id.
        id: u64,
        /// A message or a response.
        kind: Kind,
        /// Why.
        why: Declined,
    },
    /// A guest is attached: messages flow.
    Attached {
        /// Who.
        guest: Identity,
        /// The name it gave itself.
        name: String,
        /// Number of its channel.
        channel: u64,
        /// True when its program is new and both rings went on.
        resumed: bool,
    },
    /// A session is over.
    Detached {
        /// Whose.
        guest: Identity,
        /// The name it gave itself.
        name: String,
        /// Why.
        reason: CloseReason,
    },
    /// A guest's heartbeat has stopped: it is paused, or gone. Its channel stays its own.
    Stale {
        /// Whose.
        guest: Identity,
    },
    /// A stale guest moves again.
    Back {
        /// Who.
        guest: Identity,
    },
    /// Messages that a guest never received are given up.
    Undelivered {
        /// Whose they were.
        guest: Identity,
        /// How many, and the first one's id.
        what: Undelivered,
    },
    /// A guest was refused.
    Refused {
        /// Who asked.
        guest: Identity,
        /// The name it gave itself.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// A guest wrote what cannot be right: its session is closed, nobody else's.
    Fault {
        /// Who.
        guest: Identity,
        /// What was wrong, with the value.
        error: LinkError,
    },
    /// Somebody else writes in this host's place: a second daemon, a snapshot or a copy that was put back over the region,
    /// or a guest that scribbles. Every session is over, without a promise for what was under way, and nothing can be sent
    /// before [`Event::Regained`].
    SecondWriter(SecondWriter),
    /// Nobody else has written in this host's place for two beats and a half: it serves the region again, and its guests
    /// join anew.
    Regained,
    /// A guest has written in the superblock, where it may not: this host has put it right, with what it knows. Guests that read
    /// it meanwhile joined anew.
    SuperblockMended(WrongWord),
    /// The region's file was taken away or resized: nothing works any more, close the host. If only a page is touched that is
    /// not there, that is told after [`guard_mappings`](crate::guard_mappings); without it the access has ended the process.
    Lost(RegionLost),
    /// Events are missing at this place, because this [`Client`](crate::Client) read them too slowly. A host misses none.
    Missed {
        /// How many.
        count: u64,
    },
    /// The daemon has ended or does not serve a region any more: told to a [`Client`](crate::Client) only.
    Disconnected {
        /// How that is known.
        reason: String,
    },
}
