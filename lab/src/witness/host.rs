//! The witness as the host of a region.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ivring_host::{Event, Host, HostSendError, Options};
use ivring_proto::link::{Losses, SendError, Status};
use ivring_proto::session::{Identity, Phase};

use super::conversation::Conversation;
use super::journal::{End, Journal, Line};
use super::side::{News, Side, unless_full};
use super::work::Work;

/// How long it waits for an event before it tries again to send, or looks whether it is to end.
const PAUSE: Duration = Duration::from_millis(1);
/// How long it goes on receiving when it is to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Is the host of a region and does the work with each guest, until `end` is set; then leaves as a host should.
///
/// # Errors
///
/// The region cannot be opened, a message cannot be sent for another reason than a full ring, or the journal cannot be
/// written.
pub fn run_host(options: Options, work: Work, mut journal: Journal, end: &AtomicBool) -> io::Result<()> {
    let mut host = Host::open(options).map_err(io::Error::other)?;
    journal.event("region", "open", host.path().display())?;
    let mut guests = Guests { work, conversations: HashMap::new() };
    // Sessions that went on from an earlier host are attached already.
    for guest in host.guests().into_iter().filter(|guest| guest.phase == Phase::Attached) {
        journal.event(&guest.identity.to_string(), "adopted", format!("channel {}", guest.channel))?;
        guests.conversation(guest.identity);
    }
    while !end.load(Ordering::Relaxed) {
        let mut sent = false;
        for (guest, conversation) in &mut guests.conversations {
            sent |= conversation.step(&mut journal, &mut ToGuest { host: &mut host, guest: *guest })?;
        }
        let event = if sent { host.poll() } else { host.wait(PAUSE) };
        let mut received = event.is_some();
        if let Some(event) = event {
            guests.note(&mut journal, event)?;
        }
        if let Some(most) = work.batch {
            let mut batch = host.batch();
            for _ in 0..most {
                let Some(event) = batch.poll() else { break };
                guests.note(&mut journal, event)?;
                received = true;
            }
            if received {
                journal.write(&Line::Done)?;
            }
        }
    }
    let mut result = Ok(());
    host.leave(PATIENCE, |event| {
        if let Err(error) = guests.note(&mut journal, event) {
            result = Err(error);
        }
    });
    result.and_then(|()| journal.write(&Line::End))
}

/// Everybody the host has heard of.
struct Guests {
    work: Work,
    conversations: HashMap<Identity, Conversation>,
}

impl Guests {
    fn conversation(&mut self, guest: Identity) -> &mut Conversation {
        self.conversations.entry(guest).or_insert_with(|| Conversation::new(guest, self.work))
    }

    fn note(&mut self, journal: &mut Journal, event: Event) -> io::Result<()> {
        match news(event) {
            Ok((guest, news)) => self.conversation(guest).take(journal, news),
            Err(other) => journal.event("region", "other", format!("{other:?}")),
        }
    }
}

/// What an event says of a guest; the event where it says something of the region.
fn news(event: Event) -> Result<(Identity, News), Event> {
    let other = |what, detail| News::Other { what, detail };
    Ok(match event {
        Event::Message { guest, topic, payload, redelivered: again, .. } => {
            (guest, News::Message { topic, payload, again })
        }
        Event::Request { guest, id, payload, redelivered: again, .. } => {
            (guest, News::Request { id, payload, again })
        }
        Event::Response { guest, id, payload, .. } => (guest, News::Response { id, payload }),
        Event::Pong { guest, id, round_trip } => (guest, News::Pong { id, round_trip }),
        Event::Delivered { guest, id } => (guest, News::Ended { id, how: End::Delivered }),
        Event::Interrupted { guest, id, .. } => (guest, News::Ended { id, how: End::Interrupted }),
        Event::Declined { guest, id, .. } => (guest, News::Ended { id, how: End::Declined }),
        Event::Unanswered { guest, id, why } => (guest, News::unanswered(id, why)),
        Event::Undelivered { guest, what } => {
            (guest, News::Undelivered { count: what.count, first: what.first })
        }
        Event::Attached { guest, name, channel, resumed } => {
            let how = if resumed { "goes on" } else { "is new" };
            (guest, other("attached", format!("channel {channel} {how}, {name}")))
        }
        Event::Detached { guest, reason, .. } => (guest, other("detached", reason.to_string())),
        Event::Stale { guest } => (guest, other("stale", String::new())),
        Event::Back { guest } => (guest, other("back", String::new())),
        Event::Refused { guest, refusal, .. } => (guest, other("refused", refusal.to_string())),
        Event::Fault { guest, error } => (guest, other("fault", error.to_string())),
        Event::SecondWriter(_)
        | Event::Regained
        | Event::SuperblockMended(_)
        | Event::Lost(_)
        | Event::Missed { .. }
        | Event::Disconnected { .. } => {
            return Err(event);
        }
    })
}

/// The host's end of a guest's channel.
struct ToGuest<'a> {
    host: &'a mut Host,
    guest: Identity,
}

impl Side for ToGuest<'_> {
    fn max_record(&mut self, topic: &str) -> usize {
        self.host.max_record(&self.guest, topic)
    }

    fn send(&mut self, topic: &str, payload: &[u8]) -> io::Result<Option<u64>> {
        unless_full(of_link(self.host.send(&self.guest, topic, payload))?)
    }

    fn request(&mut self, topic: &str, payload: &[u8], timeout: Duration) -> io::Result<Option<u64>> {
        unless_full(of_link(self.host.request(&self.guest, topic, payload, timeout))?)
    }

    fn respond(&mut self, id: u64, payload: &[u8]) -> io::Result<Option<()>> {
        unless_full(self.host.respond(&self.guest, id, Status::Ok, payload))
    }

    fn ping(&mut self, timeout: Duration) -> io::Result<Option<u64>> {
        unless_full(self.host.ping(&self.guest, &[], timeout))
    }

    fn losses(&mut self) -> Option<Losses> {
        let guests = self.host.guests();
        guests.iter().find(|info| info.identity == self.guest).map(|info| info.losses)
    }
}

fn of_link<T>(result: Result<T, HostSendError>) -> io::Result<Result<T, SendError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(HostSendError::Send(error)) => Ok(Err(error)),
        Err(error @ HostSendError::Topic(_)) => Err(io::Error::other(error)),
    }
}
