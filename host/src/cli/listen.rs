//! `ivring listen`.

use ivring_proto::control::{Client, ClientError, Code, Event, GuestIdentity, Target};
use serde::Serialize;

use super::failure::Failure;
use super::options::Listen;
use super::output::Output;
use super::shown::shown;

/// An event as `--json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// The payload of a message, when it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The payload of a message, when it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl<'a> Line<'a> {
    fn new(event: &'a Event, payload: &'a [u8]) -> Self {
        let is_message = matches!(event, Event::Message { .. });
        let text = str::from_utf8(payload).ok().filter(|_| is_message);
        let hex = (is_message && text.is_none())
            .then(|| payload.iter().map(|byte| format!("{byte:02x}")).collect());
        Line { event, text, hex }
    }
}

/// Prints what the guests send until stopped, or until so many messages have come.
pub(super) fn listen(listen: Listen, client: Client, out: &mut Output) -> Result<(), Failure> {
    let target = Target { guest: listen.guest, region: listen.region.name };
    let mut events = client.listen(target, listen.topic)?;
    let mut left = listen.count;
    while left != Some(0) {
        let (event, payload) = match events.next_event(None) {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(ClientError::Closed) => return Err(Failure::new(Code::Failure, "ivringd has ended")),
            Err(error) => return Err(error.into()),
        };
        if out.json {
            out.json(&Line::new(&event, &payload))?;
        } else {
            out.line(line(&event, &payload))?;
        }
        if matches!(event, Event::Message { .. }) {
            left = left.map(|left| left - 1);
        }
    }
    Ok(())
}

/// An event for people. Its own lines begin with dashes, which no guest's name is taken for: that stands alone there.
fn line(event: &Event, payload: &[u8]) -> String {
    match event {
        Event::Message { from, topic, redelivered, .. } => {
            let again = if *redelivered { " (again)" } else { "" };
            format!("{} {}{again}: {}", who(from.as_ref()), shown(topic), text(payload))
        }
        Event::Attached { region, from } => {
            format!("-- {} attached in region {}", who(from.as_ref()), shown(region))
        }
        Event::Detached { region, from, reason } => {
            format!("-- {} detached from region {}: {}", who(from.as_ref()), shown(region), shown(reason))
        }
        Event::Lost { count } => {
            format!("-- {count} events are missing here: they came faster than they were read")
        }
    }
}

/// The guest's name, or its UUID when it has none; with its port, if that is not the agent's.
fn who(from: Option<&GuestIdentity>) -> String {
    let Some(GuestIdentity { uuid, port, name }) = from else { return "?".to_owned() };
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

    fn message(name: &str, redelivered: bool) -> Event {
        let from = Some(GuestIdentity { uuid: "u".into(), port: "agent".into(), name: name.into() });
        Event::Message { region: "r".into(), from, topic: "log".into(), message: 7, redelivered }
    }

    #[test]
    fn nothing_that_a_guest_writes_acts_on_the_terminal() {
        assert_eq!(line(&message("web1", false), b"up\n"), "web1 log: up");
        assert_eq!(line(&message("", true), b"a\x1b[2J\nb"), "u log (again): a\\u{1b}[2J\\nb");
        assert_eq!(line(&message("w\x07", false), b"\xff\xfe"), "w\\u{7} log: 2 bytes that are no text");
    }

    #[test]
    fn json_carries_the_payload_as_text_or_hex() {
        let line =
            |payload: &[u8]| serde_json::to_value(Line::new(&message("web1", false), payload)).unwrap();
        let value = line("grüße\n".as_bytes());
        assert_eq!(
            (&value["event"], &value["text"], value.get("hex")),
            (&"message".into(), &"grüße\n".into(), None)
        );
        let value = line(b"\xff\x00");
        assert_eq!((value.get("text"), &value["hex"]), (None, &"ff00".into()));
    }
}
