//! The witness as a program in a guest, or in a guest's place.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ivring_guest::{Event, Guest, GuestSendError, Options, SendError};
use ivring_proto::link::{Losses, Status};

use super::conversation::Conversation;
use super::journal::{End, Journal, Line};
use super::side::{News, Side, unless_full};
use super::work::Work;

/// The only peer.
const HOST: &str = "host";
/// How long it waits for an event before it tries again to send, or looks whether it is to end.
const PAUSE: Duration = Duration::from_millis(1);

/// How long it waits for the ends of what is under way when it is to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Joins and does the work with the host, until `end` is set, or a newer program has the channel; then says good-bye.
///
/// # Errors
///
/// There is no region, a message cannot be sent for another reason than a full ring, or the journal cannot be written.
pub fn run_guest(options: Options, work: Work, mut journal: Journal, end: &AtomicBool) -> io::Result<()> {
    let mut guest = Guest::open(options).map_err(io::Error::other)?;
    let mut host = Conversation::new(HOST, work);
    let mut superseded = false;
    while !end.load(Ordering::Relaxed) && !superseded {
        let sent = host.step(&mut journal, &mut guest)?;
        let event = if sent { guest.poll() } else { guest.wait(PAUSE) };
        superseded = matches!(event, Some(Event::Superseded));
        let mut received = event.is_some();
        if let Some(event) = event {
            host.take(&mut journal, news(event))?;
        }
        if let Some(most) = work.batch {
            let mut batch = guest.batch();
            for _ in 0..most {
                let Some(event) = batch.poll() else { break };
                superseded |= matches!(event, Event::Superseded);
                host.take(&mut journal, news(event))?;
                received = true;
            }
            if received {
                journal.write(&Line::Done)?;
            }
        }
    }
    // After the good-bye nobody would be told what became of it.
    let deadline = Instant::now() + PATIENCE;
    while !host.has_ended() && Instant::now() < deadline {
        if let Some(event) = guest.wait(PAUSE) {
            host.take(&mut journal, news(event))?;
        }
    }
    if host.has_ended() { journal.write(&Line::End) } else { Ok(()) }
}

fn news(event: Event) -> News {
    let (what, detail) = match event {
        Event::Message { topic, payload, redelivered: again, .. } => {
            return News::Message { topic, payload, again };
        }
        Event::Request { id, payload, redelivered: again, .. } => {
            return News::Request { id, payload, again };
        }
        Event::Response { id, payload, .. } => return News::Response { id, payload },
        Event::Pong { id, round_trip } => return News::Pong { id, round_trip },
        Event::Delivered { id } => return News::Ended { id, how: End::Delivered },
        Event::Interrupted { id, .. } => return News::Ended { id, how: End::Interrupted },
        Event::Declined { id, .. } => return News::Ended { id, how: End::Declined },
        Event::Unanswered { id, why } => return News::unanswered(id, why),
        Event::Waiting(waiting) => ("waiting", waiting.to_string()),
        Event::Attached { channel } => ("attached", format!("channel {channel}")),
        Event::RegionReplaced => ("replaced", String::new()),
        Event::RegionLost(lost) => ("lost", lost.to_string()),
        Event::RegionFound => ("found", String::new()),
        Event::HostRestarted => ("restarted", String::new()),
        Event::HostAway => ("away", String::new()),
        Event::HostStale => ("stale", String::new()),
        Event::HostBack => ("back", String::new()),
        Event::Detached(reason) => ("detached", reason.to_string()),
        Event::Superseded => ("superseded", String::new()),
        Event::Fault(error) => ("fault", error.to_string()),
    };
    News::Other { what, detail }
}

impl Side for Guest {
    fn max_record(&mut self, topic: &str) -> usize {
        Guest::max_record(self, topic)
    }

    fn send(&mut self, topic: &str, payload: &[u8]) -> io::Result<Option<u64>> {
        unless_full(of_link(Guest::send(self, topic, payload))?)
    }

    fn request(&mut self, topic: &str, payload: &[u8], timeout: Duration) -> io::Result<Option<u64>> {
        unless_full(of_link(Guest::request(self, topic, payload, timeout))?)
    }

    fn respond(&mut self, id: u64, payload: &[u8]) -> io::Result<Option<()>> {
        unless_full(Guest::respond(self, id, Status::Ok, payload))
    }

    fn ping(&mut self, timeout: Duration) -> io::Result<Option<u64>> {
        unless_full(Guest::ping(self, &[], timeout))
    }

    fn losses(&mut self) -> Option<Losses> {
        Some(Guest::losses(self))
    }
}

fn of_link<T>(result: Result<T, GuestSendError>) -> io::Result<Result<T, SendError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(GuestSendError::Send(error)) => Ok(Err(error)),
        Err(error @ GuestSendError::Topic(_)) => Err(io::Error::other(error)),
    }
}
