//! What a listener is told, and which of it a listener wants.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::guest_name::{GuestIdentity, GuestName, GuestNameError};
use super::happening::Happening;
use super::request::Target;

/// Something that happened; `event` in the header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A message arrived; the frame's body is its payload.
    Message {
        /// Name of the region.
        region: String,
        /// Who sent it; left out in the agent, where it is the host.
        #[serde(flatten)]
        from: Option<GuestIdentity>,
        /// The message's topic, as the sender chose it.
        topic: String,
        /// The message's number on its link.
        message: u64,
        /// Whether it may have been handed over before, because this side was restarted.
        #[serde(default)]
        redelivered: bool,
    },
    /// A guest attached, or in the agent: the host did.
    Attached {
        /// Name of the region.
        region: String,
        /// The guest.
        #[serde(flatten)]
        from: Option<GuestIdentity>,
        /// Number of its channel.
        #[serde(default)]
        channel: u64,
        /// Whether its program is new and both rings went on.
        #[serde(default)]
        resumed: bool,
    },
    /// A guest detached, or in the agent: the host did.
    Detached {
        /// Name of the region.
        region: String,
        /// The guest.
        #[serde(flatten)]
        from: Option<GuestIdentity>,
        /// Why, in words that the other side may have chosen.
        reason: String,
        /// The same as a number: the code of docs/protocol.md, 0 where it has none.
        #[serde(default)]
        code: u8,
    },
    /// Events were dropped here because this listener read too slowly.
    Lost {
        /// How many.
        count: u64,
    },
    /// Whatever else happened.
    #[serde(untagged)]
    Happened {
        /// Name of the region.
        region: String,
        /// The guest that it is about, if it is about one; left out in the agent, where it is the host.
        #[serde(flatten)]
        from: Option<GuestIdentity>,
        /// What.
        #[serde(flatten)]
        what: Happening,
    },
    /// An event of a newer server: its fields as they came, `event` among them. Only a [`super::Listener`] makes it.
    #[serde(untagged, skip_deserializing)]
    Other(Map<String, Value>),
}

/// Reads the header of an event. One that this version does not know becomes [`Event::Other`].
///
/// # Errors
/// When it is no event's header.
pub(super) fn read_event(header: &[u8]) -> Result<Event, serde_json::Error> {
    serde_json::from_slice(header).or_else(|error| {
        let fields: Map<String, Value> = serde_json::from_slice(header)?;
        if fields.get("event").is_some_and(Value::is_string) { Ok(Event::Other(fields)) } else { Err(error) }
    })
}

/// Which events a listener wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    guest: Option<GuestName>,
    region: Option<String>,
    topic: Option<String>,
}

impl Filter {
    /// The filter that a `listen` request asks for.
    ///
    /// # Errors
    /// [`GuestNameError`] when the guest's name can't be one.
    pub fn new(target: Target, topic: Option<String>) -> Result<Self, GuestNameError> {
        let guest = target.guest.as_deref().map(GuestName::parse).transpose()?;
        Ok(Filter { guest, region: target.region, topic })
    }

    /// Whether the listener wants this event. What is of no guest is always wanted.
    pub fn wants(&self, event: &Event) -> bool {
        let (region, from, topic) = match event {
            Event::Message { region, from, topic, .. } => (region, from, Some(topic)),
            Event::Attached { region, from, .. }
            | Event::Detached { region, from, .. }
            | Event::Happened { region, from, .. } => (region, from, None),
            Event::Lost { .. } | Event::Other(_) => return true,
        };
        self.region.as_ref().is_none_or(|wanted| wanted == region)
            && self.topic.as_ref().is_none_or(|wanted| Some(wanted) == topic)
            && self.guest.as_ref().is_none_or(|wanted| from.as_ref().is_some_and(|from| wanted.matches(from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::WhyNot;
    use crate::link::{Kind, Status};
    use serde_json::{from_value, json, to_value};

    fn web1() -> GuestIdentity {
        GuestIdentity {
            uuid: "6b7c1f2e-0000-4000-8000-000000000001".into(),
            port: "agent".into(),
            name: "web1".into(),
        }
    }

    fn message(from: Option<GuestIdentity>) -> Event {
        Event::Message { region: "fg_i3".into(), from, topic: "log".into(), message: 5, redelivered: false }
    }

    fn happened(from: Option<GuestIdentity>, what: Happening) -> Event {
        Event::Happened { region: "fg_i3".into(), from, what }
    }

    #[test]
    fn headers_are_pinned() {
        let guest = "6b7c1f2e-0000-4000-8000-000000000001";
        for (event, header) in [
            (
                message(Some(web1())),
                json!({"event": "message", "region": "fg_i3", "guest": guest, "port": "agent", "name": "web1",
                       "topic": "log", "message": 5, "redelivered": false}),
            ),
            (
                message(None),
                json!({"event": "message", "region": "fg_i3", "topic": "log", "message": 5, "redelivered": false}),
            ),
            (
                Event::Attached { region: "fg_i3".into(), from: Some(web1()), channel: 3, resumed: true },
                json!({"event": "attached", "region": "fg_i3", "guest": guest, "port": "agent", "name": "web1",
                       "channel": 3, "resumed": true}),
            ),
            (
                Event::Detached { region: "fg_i3".into(), from: None, reason: "bye".into(), code: 1 },
                json!({"event": "detached", "region": "fg_i3", "reason": "bye", "code": 1}),
            ),
            (
                happened(Some(web1()), Happening::Stale),
                json!({"event": "stale", "region": "fg_i3", "guest": guest, "port": "agent", "name": "web1"}),
            ),
            (
                happened(None, Happening::Interrupted { message: u64::MAX, kind: Kind::Message }),
                json!({"event": "interrupted", "region": "fg_i3", "message": u64::MAX, "kind": "message"}),
            ),
            (
                happened(None, Happening::Unanswered { request: 1, why: WhyNot::TimedOut, waited_ms: 20 }),
                json!({"event": "unanswered", "region": "fg_i3", "request": 1, "why": "timed_out", "waited_ms": 20}),
            ),
            (
                happened(
                    None,
                    Happening::Response { request: 1, status: Status::NoHandler, round_trip_ns: 5 },
                ),
                json!({"event": "response", "region": "fg_i3", "request": 1, "status": "no_handler",
                       "round_trip_ns": 5}),
            ),
            (Event::Lost { count: 9 }, json!({"event": "lost", "count": 9})),
        ] {
            assert_eq!(to_value(&event).unwrap(), header);
            assert_eq!(from_value::<Event>(header).unwrap(), event);
        }
    }

    #[test]
    fn filter_takes_what_was_asked_for() {
        let filter = |guest: Option<&str>, region: Option<&str>, topic: Option<&str>| {
            let target = Target { guest: guest.map(Into::into), region: region.map(Into::into) };
            Filter::new(target, topic.map(Into::into)).unwrap()
        };
        let attached = happened(Some(web1()), Happening::Back);
        for (filter, of_message, of_attached) in [
            (Filter::default(), true, true),
            (filter(Some("web1"), None, None), true, true),
            (filter(Some("6b7c"), None, None), true, true),
            (filter(Some("db1"), None, None), false, false),
            (filter(None, Some("fg_i3"), None), true, true),
            (filter(None, Some("other"), None), false, false),
            (filter(None, None, Some("log")), true, false),
            (filter(None, None, Some("metrics")), false, false),
        ] {
            assert_eq!(filter.wants(&message(Some(web1()))), of_message, "{filter:?}");
            assert_eq!(filter.wants(&attached), of_attached, "{filter:?}");
            assert!(filter.wants(&Event::Lost { count: 1 }));
        }
        assert!(!filter(Some("web1"), None, None).wants(&message(None)));
        let empty = Target { guest: Some(String::new()), region: None };
        assert!(Filter::new(empty, None).is_err());
    }
}
