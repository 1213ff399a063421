//! The witness as a program in a guest, or in a guest's place.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ivring_guest::{Event, Guest, GuestSendError, Options, SendError};

use super::journal::Journal;
use super::message::TOPIC;
use super::sending::{Attempt, Load, Sending, receive};

/// The only peer.
const HOST: &str = "host";
/// How long it waits for an event before it tries again to send, or looks whether it is to end.
const PAUSE: Duration = Duration::from_millis(1);

/// Joins and sends the load to the host, until `end` is set; then says good-bye.
///
/// # Errors
///
/// There is no region, a message cannot be sent for another reason than a full ring, or the journal cannot be written.
pub fn run_guest(options: Options, load: Load, mut journal: Journal, end: &AtomicBool) -> io::Result<()> {
    let mut guest = Guest::open(options).map_err(io::Error::other)?;
    let mut sending = Sending::new(HOST, load);
    while !end.load(Ordering::Relaxed) {
        let max = guest.max_payload(TOPIC);
        let sent = sending.step(&mut journal, max, |topic, payload| attempt(guest.send(topic, payload)))?;
        let event = if sent { guest.poll() } else { guest.wait(PAUSE) };
        if let Some(event) = event {
            note(&mut journal, event)?;
        }
    }
    Ok(())
}

fn attempt(result: Result<u64, GuestSendError>) -> io::Result<Attempt> {
    match result {
        Ok(_) => Ok(Attempt::Sent),
        Err(GuestSendError::Send(SendError::Full { .. } | SendError::NotAttached)) => Ok(Attempt::NotNow),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn note(journal: &mut Journal, event: Event) -> io::Result<()> {
    let (what, detail) = match event {
        Event::Message { topic, payload, redelivered, .. } => {
            return receive(journal, HOST, &topic, &payload, redelivered);
        }
        Event::Waiting(waiting) => ("waiting", waiting.to_string()),
        Event::Attached { channel } => ("attached", format!("channel {channel}")),
        Event::HostRestarted => ("restarted", String::new()),
        Event::HostAway => ("away", String::new()),
        Event::HostStale => ("stale", String::new()),
        Event::HostBack => ("back", String::new()),
        Event::Detached(reason) => ("detached", reason.to_string()),
        Event::Superseded => ("superseded", String::new()),
        Event::Fault(error) => ("fault", error.to_string()),
        other => ("other", format!("{other:?}")),
    };
    journal.event(HOST, what, detail)
}
