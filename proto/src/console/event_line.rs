//! An event as `listen` prints it for people.

use super::shown::shown;
use crate::control::{Event, GuestIdentity};

/// The line for an event. A guest is named; the host, which is all that an agent hears, is not.
///
/// Lines of the command's own begin with dashes, which no guest's name is taken for: that stands alone there.
pub(super) fn event_line(event: &Event, payload: &[u8]) -> String {
    match event {
        Event::Message { from, topic, redelivered, .. } => {
            let from = from.as_ref().map(|guest| who(guest) + " ").unwrap_or_default();
            let again = if *redelivered { " (again)" } else { "" };
            format!("{from}{}{again}: {}", shown(topic), text(payload))
        }
        Event::Attached { region, from: Some(guest) } => {
            format!("-- {} attached in region {}", who(guest), shown(region))
        }
        Event::Attached { region, from: None } => format!("-- attached to {}", shown(region)),
        Event::Detached { region, from: Some(guest), reason } => {
            format!("-- {} detached from region {}: {}", who(guest), shown(region), shown(reason))
        }
        Event::Detached { from: None, reason, .. } => format!("-- detached: {}", shown(reason)),
        Event::Lost { count } => {
            format!("-- {count} events are missing here: they came faster than they were read")
        }
    }
}

/// The guest's name, or its UUID when it has none; with its port, if that is not the agent's.
fn who(GuestIdentity { uuid, port, name }: &GuestIdentity) -> String {
    let name = if name.is_empty() { uuid.clone() } else { shown(name) };
    if port == "agent" { name } else { format!("{name}:{}", shown(port)) }
}

/// Text escaped, without the newline at its end; how much it is where it is no text.
fn text(payload: &[u8]) -> String {
    match str::from_utf8(payload) {
        Ok(text) => shown(text.strip_suffix('\n').unwrap_or(text)),
        Err(_) => format!("{} bytes that are no text", payload.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str, port: &str) -> Option<GuestIdentity> {
        Some(GuestIdentity { uuid: "u".into(), port: port.into(), name: name.into() })
    }

    fn message(from: Option<GuestIdentity>, redelivered: bool) -> Event {
        Event::Message { region: "r".into(), from, topic: "log".into(), message: 7, redelivered }
    }

    #[test]
    fn nothing_that_a_peer_writes_acts_on_the_terminal() {
        for (from, redelivered, payload, line) in [
            (guest("web1", "agent"), false, &b"up\n"[..], "web1 log: up"),
            (guest("", "agent"), true, b"a\x1b[2J\nb", "u log (again): a\\u{1b}[2J\\nb"),
            (guest("w\x07", "p\x1b"), false, b"\xff\xfe", "w\\u{7}:p\\u{1b} log: 2 bytes that are no text"),
            (None, false, b"\x1b\n\n", "log: \\u{1b}\\n"),
        ] {
            assert_eq!(event_line(&message(from, redelivered), payload), line);
        }
    }

    #[test]
    fn a_guest_is_named_and_the_host_is_not() {
        let attached = |from| event_line(&Event::Attached { region: "r".into(), from }, b"");
        assert_eq!(attached(guest("web1", "metrics")), "-- web1:metrics attached in region r");
        assert_eq!(attached(None), "-- attached to r");
        let detached =
            |from| event_line(&Event::Detached { region: "r".into(), from, reason: "bye".into() }, b"");
        assert_eq!(detached(guest("web1", "agent")), "-- web1 detached from region r: bye");
        assert_eq!(detached(None), "-- detached: bye");
    }
}
