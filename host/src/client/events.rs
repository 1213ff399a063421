//! The events of the control socket as those of a host.

use std::time::Duration;

use ivring_proto::control::{self, GuestIdentity, Happening, WhyNot};
use ivring_proto::link::{Declined, Unanswered, Undelivered};
use ivring_proto::session::CloseReason;

use crate::Event;

/// The same event; nothing for one of a newer daemon.
pub(super) fn converted(event: control::Event, body: Vec<u8>) -> Option<Event> {
    match event {
        control::Event::Message { from, topic, message, redelivered, .. } => {
            let guest = from?.identity()?;
            Some(Event::Message { guest, topic, payload: body, id: message, redelivered })
        }
        control::Event::Attached { from, channel, resumed, .. } => {
            let from = from?;
            Some(Event::Attached { guest: from.identity()?, name: from.name, channel, resumed })
        }
        control::Event::Detached { from, code, .. } => {
            let from = from?;
            let reason = CloseReason::from_code(code);
            Some(Event::Detached { guest: from.identity()?, name: from.name, reason })
        }
        control::Event::Lost { count } => Some(Event::Missed { count }),
        control::Event::Happened { from, what, .. } => happened(from, what, body),
        control::Event::Other(_) => None,
    }
}

fn happened(from: Option<GuestIdentity>, what: Happening, body: Vec<u8>) -> Option<Event> {
    match what {
        Happening::SecondWriter { detail, .. } => return Some(Event::SecondWriter(detail)),
        Happening::Regained => return Some(Event::Regained),
        Happening::SuperblockMended { detail, .. } => return Some(Event::SuperblockMended(detail)),
        Happening::RegionLost { reason } => return Some(Event::Disconnected { reason }),
        _ => {}
    }
    let from = from?;
    let guest = from.identity()?;
    Some(match what {
        Happening::Stale => Event::Stale { guest },
        Happening::Back => Event::Back { guest },
        Happening::Undelivered { count, first } => {
            Event::Undelivered { guest, what: Undelivered { count, first } }
        }
        Happening::Delivered { message } => Event::Delivered { guest, id: message },
        Happening::Interrupted { message, kind } => Event::Interrupted { guest, id: message, kind },
        Happening::Declined { message, kind, why } => {
            Event::Declined { guest, id: message, kind, why: declined(why)? }
        }
        Happening::Refused { detail, .. } => Event::Refused { guest, name: from.name, refusal: detail },
        Happening::Fault { detail, .. } => Event::Fault { guest, error: detail },
        Happening::Request { request, topic, redelivered } => {
            Event::Request { guest, id: request, topic, payload: body, redelivered }
        }
        Happening::Response { request, status, round_trip_ns } => {
            let round_trip = Duration::from_nanos(round_trip_ns);
            Event::Response { guest, id: request, status, payload: body, round_trip }
        }
        Happening::Pong { request, round_trip_ns } => {
            Event::Pong { guest, id: request, round_trip: Duration::from_nanos(round_trip_ns) }
        }
        Happening::Unanswered { request, why, waited_ms } => {
            Event::Unanswered { guest, id: request, why: unanswered(why, Duration::from_millis(waited_ms))? }
        }
        Happening::SecondWriter { .. }
        | Happening::Regained
        | Happening::SuperblockMended { .. }
        | Happening::RegionLost { .. } => return None,
    })
}

fn declined(why: WhyNot) -> Option<Declined> {
    match why {
        WhyNot::TooLarge => Some(Declined::TooLarge),
        WhyNot::NoMemory => Some(Declined::NoMemory),
        WhyNot::TimedOut | WhyNot::Detached | WhyNot::Interrupted => None,
    }
}

fn unanswered(why: WhyNot, waited: Duration) -> Option<Unanswered> {
    Some(match why {
        WhyNot::TimedOut => Unanswered::TimedOut { waited },
        WhyNot::Detached => Unanswered::Detached,
        WhyNot::Interrupted => Unanswered::Interrupted,
        WhyNot::TooLarge | WhyNot::NoMemory => Unanswered::Declined(declined(why)?),
    })
}
