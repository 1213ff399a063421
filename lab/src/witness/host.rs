//! The witness as the host of a region.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ivring_host::{Event, Host, HostSendError, Options};
use ivring_proto::link::SendError;
use ivring_proto::session::{Identity, Phase};

use super::journal::Journal;
use super::message::TOPIC;
use super::sending::{Attempt, Load, Sending, receive};

/// How long it waits for an event before it tries again to send, or looks whether it is to end.
const PAUSE: Duration = Duration::from_millis(1);
/// How long it goes on receiving when it is to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Is the host of a region and sends the load to each guest, until `end` is set; then leaves as a host should.
///
/// # Errors
///
/// The region cannot be opened, a message cannot be sent for another reason than a full ring, or the journal cannot be
/// written.
pub fn run_host(options: Options, load: Load, mut journal: Journal, end: &AtomicBool) -> io::Result<()> {
    let mut host = Host::open(options).map_err(io::Error::other)?;
    journal.event("region", "open", host.path().display())?;
    let mut sendings = HashMap::new();
    // Sessions that went on from an earlier host are attached already.
    for guest in host.guests().into_iter().filter(|guest| guest.phase == Phase::Attached) {
        journal.event(&guest.identity.to_string(), "adopted", format!("channel {}", guest.channel))?;
        begin(&mut sendings, guest.identity, load);
    }
    while !end.load(Ordering::Relaxed) {
        let mut sent = false;
        for (guest, sending) in &mut sendings {
            let max = host.max_payload(guest, TOPIC);
            sent |= sending
                .step(&mut journal, max, |topic, payload| attempt(host.send(guest, topic, payload)))?;
        }
        let event = if sent { host.poll() } else { host.wait(PAUSE) };
        if let Some(event) = event {
            if let Event::Attached { guest, .. } = event {
                begin(&mut sendings, guest, load);
            }
            note(&mut journal, event)?;
        }
    }
    let mut result = Ok(());
    host.leave(PATIENCE, |event| {
        if let Err(error) = note(&mut journal, event) {
            result = Err(error);
        }
    });
    result
}

fn begin(sendings: &mut HashMap<Identity, Sending>, guest: Identity, load: Load) {
    sendings.entry(guest).or_insert_with(|| Sending::new(&guest.to_string(), load));
}

fn attempt(result: Result<u64, HostSendError>) -> io::Result<Attempt> {
    match result {
        Ok(_) => Ok(Attempt::Sent),
        Err(HostSendError::Send(SendError::Full { .. } | SendError::NotAttached)) => Ok(Attempt::NotNow),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn note(journal: &mut Journal, event: Event) -> io::Result<()> {
    let (guest, what, detail) = match event {
        Event::Message { guest, topic, payload, redelivered, .. } => {
            return receive(journal, &guest.to_string(), &topic, &payload, redelivered);
        }
        Event::Attached { guest, name, channel, resumed } => {
            let how = if resumed { "goes on" } else { "is new" };
            (guest, "attached", format!("channel {channel} {how}, {name}"))
        }
        Event::Detached { guest, reason, .. } => (guest, "detached", reason.to_string()),
        Event::Stale { guest } => (guest, "stale", String::new()),
        Event::Back { guest } => (guest, "back", String::new()),
        Event::Undelivered { guest, what } => (guest, "undelivered", what.count.to_string()),
        Event::Refused { guest, refusal, .. } => (guest, "refused", refusal.to_string()),
        Event::Fault { guest, error } => (guest, "fault", error.to_string()),
        other => return journal.event("region", "other", format!("{other:?}")),
    };
    journal.event(&guest.to_string(), what, detail)
}
