//! An event as `listen` prints it for people.

use std::path::Path;

use serde_json::{Map, Value};

use super::shown::shown;
use crate::control::{Event, GuestIdentity};

/// The line for an event. A guest is named; the host, which is all that an agent hears, is not.
///
/// `payload` is `None` for an event that carries none; `file` is where it was written instead. Lines of the command's own
/// begin with dashes, which no guest's name is taken for: that stands alone there.
pub(super) fn event_line(event: &Event, payload: Option<&[u8]>, file: Option<&Path>) -> String {
    let mut line = match event {
        Event::Message { from, topic, redelivered, .. } => {
            let from = from.as_ref().map(|guest| who(guest) + " ").unwrap_or_default();
            let again = if *redelivered { " (again)" } else { "" };
            format!("{from}{}{again}", shown(topic))
        }
        Event::Attached { region, from: Some(guest), .. } => {
            format!("-- {} attached in region {}", who(guest), shown(region))
        }
        Event::Attached { region, from: None, .. } => format!("-- attached to {}", shown(region)),
        Event::Detached { region, from: Some(guest), reason, .. } => {
            format!("-- {} detached from region {}: {}", who(guest), shown(region), shown(reason))
        }
        Event::Detached { from: None, reason, .. } => format!("-- detached: {}", shown(reason)),
        Event::Lost { count } => {
            format!("-- {count} events are missing here: they came faster than they were read")
        }
        // What has no sentence of its own, or is of a newer version.
        event => match serde_json::to_value(event) {
            Ok(Value::Object(fields)) => fields_line(&fields),
            // Every event is an object.
            _ => "-- an event that cannot be shown".to_owned(),
        },
    };
    match (payload, file) {
        (Some(payload), Some(file)) => {
            line += &format!(": {} bytes in {}", payload.len(), shown(&file.to_string_lossy()));
        }
        (Some(payload), None) => line += &format!(": {}", text(payload)),
        (None, _) => {}
    }
    line
}

/// Any event by its fields: its name, whom it is about, and the rest.
fn fields_line(fields: &Map<String, Value>) -> String {
    let text = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("-- {}", shown(text("event")));
    if !text("guest").is_empty() {
        let [uuid, port, name] = ["guest", "port", "name"].map(|field| text(field).to_owned());
        line += &format!(" {}", who(&GuestIdentity { uuid, port, name }));
    }
    for (field, value) in fields {
        if !["event", "guest", "port", "name"].contains(&field.as_str()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            line += &format!(" {}={}", shown(field), shown(&value));
        }
    }
    line
}

/// The guest's name, or its UUID when it has none; with its port, if that is not the agent's.
fn who(GuestIdentity { uuid, port, name }: &GuestIdentity) -> String {
    let name = shown(if name.is_empty() { uuid } else { name });
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
    use serde_json::json;

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
            assert_eq!(event_line(&message(from, redelivered), Some(payload), None), line);
        }
        let file = Some(Path::new("d/000001-log"));
        let line = event_line(&message(guest("web1", "agent"), false), Some(b"\xff"), file);
        assert_eq!(line, "web1 log: 1 bytes in d/000001-log");
    }

    #[test]
    fn a_guest_is_named_and_the_host_is_not() {
        let line = |event| event_line(&event, None, None);
        let attached = |from| line(Event::Attached { region: "r".into(), from, channel: 0, resumed: false });
        assert_eq!(attached(guest("web1", "metrics")), "-- web1:metrics attached in region r");
        assert_eq!(attached(None), "-- attached to r");
        let detached =
            |from| line(Event::Detached { region: "r".into(), from, reason: "bye".into(), code: 1 });
        assert_eq!(detached(guest("web1", "agent")), "-- web1 detached from region r: bye");
        assert_eq!(detached(None), "-- detached: bye");
    }

    #[test]
    fn an_event_without_a_sentence_is_shown_by_its_fields() {
        let line = |fields: Value, payload| {
            event_line(&Event::Other(fields.as_object().unwrap().clone()), payload, None)
        };
        let comet = json!({"event": "comet\x1b", "guest": "u", "port": "agent", "name": "w\x07", "n": 3, "t\n": "\x1b"});
        assert_eq!(line(comet, None), "-- comet\\u{1b} w\\u{7} n=3 t\\n=\\u{1b}");
        assert_eq!(line(json!({"event": "x", "topic": "t"}), Some(b"hi\n")), "-- x topic=t: hi");
    }
}
