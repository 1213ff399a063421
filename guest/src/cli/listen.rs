//! `ivring-agent listen`.

use std::io::{self, Write};

use ivring_proto::control::{Event, Target};
use ivring_proto::session::printable;
use serde::Serialize;

use super::Listen;
use super::failure::Failure;

/// An event as `--json` shows it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// The payload of a message that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The payload of a message that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// Prints events of the running agent until stopped, or until `count` messages have come.
pub(super) fn listen(listen: &Listen, out: &mut impl Write) -> Result<(), Failure> {
    let mut events = listen.socket.connect()?.listen(Target::default(), listen.topic.clone())?;
    let mut left = listen.count;
    while left != Some(0) {
        let Some((event, payload)) = events.next_event(None)? else { continue };
        let printed =
            if listen.json { print_json(&event, &payload, out) } else { print(&event, &payload, out) };
        printed.and_then(|()| out.flush()).map_err(Failure::output)?;
        if matches!(event, Event::Message { .. }) {
            left = left.map(|left| left - 1);
        }
    }
    Ok(())
}

fn print(event: &Event, payload: &[u8], out: &mut impl Write) -> io::Result<()> {
    match event {
        Event::Message { topic, redelivered, .. } => {
            let again = if *redelivered { " (again)" } else { "" };
            write!(out, "{}{again}: ", printable(topic))?;
            print_payload(payload, out)
        }
        Event::Attached { region, .. } => writeln!(out, "-- attached to {}", printable(region)),
        Event::Detached { reason, .. } => writeln!(out, "-- detached: {}", printable(reason)),
        Event::Lost { count } => writeln!(out, "-- {count} events were lost here: this reader is too slow"),
    }
}

/// Text made printable, without the newline at its end; how much it is where it is no text.
fn print_payload(payload: &[u8], out: &mut impl Write) -> io::Result<()> {
    match std::str::from_utf8(payload) {
        Ok(text) => {
            // One by one: a longer text would be cut.
            for c in text.strip_suffix('\n').unwrap_or(text).chars() {
                write!(out, "{}", printable(c.encode_utf8(&mut [0; 4])))?;
            }
            writeln!(out)
        }
        Err(_) => writeln!(out, "{} bytes that are no text", payload.len()),
    }
}

fn print_json(event: &Event, payload: &[u8], out: &mut impl Write) -> io::Result<()> {
    let is_message = matches!(event, Event::Message { .. });
    let text = std::str::from_utf8(payload).ok().filter(|_| is_message);
    let hex = (is_message && text.is_none())
        .then(|| payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    serde_json::to_writer(&mut *out, &Line { event, text, hex })?;
    writeln!(out)
}
