//! What guests do: told to those who listen, answered, logged.

use std::ops::ControlFlow;
use std::time::Instant;

use ivring_proto::control::{Event as ControlEvent, GuestIdentity, Pong, Response, Server};
use ivring_proto::link::{self, Received, Status};
use ivring_proto::session::{Identity, printable};

use super::expected::Waiter;
use super::log_limit::Kind;
use super::regions::{Names, RegionId, Served};
use super::requests::RequestError;
use super::serve::Daemon;
use crate::Event;
use crate::region_file::RegionLost;

/// Writes a line about a guest, if that guest has not filled the log already.
macro_rules! log {
    ($level:ident, $daemon:expr, $guest:expr, $kind:expr, $($text:tt)+) => {
        if let Some(suppressed) = $daemon.limit.allows($guest, $kind, Instant::now()) {
            tracing::$level!("{}{suppressed}", format_args!($($text)+));
        }
    };
}

/// What a guest sent that is no message, out of the buffer that the next record needs.
struct Sent {
    guest: Identity,
    kind: link::Kind,
    id: u64,
    status: Status,
    topic: String,
    payload: Vec<u8>,
}

impl Daemon {
    /// Takes what guests of the region at `index` have sent, and says whether there was anything.
    pub(super) fn receive(&mut self, index: usize, most: usize) -> bool {
        let mut taken = 0;
        while taken < most {
            let Daemon { regions, server, unheard, .. } = self;
            let has_listeners = server.has_listeners();
            let Served { host, names, .. } = &mut regions.all_mut()[index];
            let mut other = None;
            taken += host.receive(most - taken, |guest, received| {
                let Received { kind, id, topic, status, payload, .. } = *received;
                if kind != link::Kind::Message {
                    let (topic, payload) = (topic.to_owned(), payload.to_vec());
                    other = Some(Sent { guest: *guest, kind, id, status, topic, payload });
                    return ControlFlow::Break(());
                }
                if !has_listeners || !tell_message(server, names, guest, received) {
                    *unheard += 1;
                }
                ControlFlow::Continue(())
            });
            // Before the next record is looked for, which says that this one is done with: a daemon that is killed in
            // between gets the request again.
            match other {
                Some(sent) => self.take(index, sent),
                None => break,
            }
        }
        taken > 0
    }

    fn take(&mut self, index: usize, sent: Sent) {
        let Sent { guest, kind, id, status, topic, payload } = sent;
        let region = self.regions.all()[index].id;
        match kind {
            link::Kind::Request => self.answer(index, &guest, id, &topic, payload),
            link::Kind::Response => {
                if let Some((waiter, topic)) = self.expected.requested(id, region, &guest) {
                    self.pass_on(waiter, topic, status, &payload);
                }
            }
            link::Kind::Pong => self.measure(region, &guest, id),
            // Messages are told at once, pings answered by the link.
            link::Kind::Message | link::Kind::Ping => {}
        }
    }

    /// Deals with one event of the region at `index`; returns why that region is to be closed, if it is.
    pub(super) fn take_event(&mut self, index: usize, event: Event) -> Option<RegionLost> {
        let region = self.regions.all()[index].id;
        match event {
            Event::Attached { guest, name, channel, resumed } => {
                let how = if resumed { "again, both rings go on" } else { "anew" };
                log!(
                    info,
                    self,
                    Some(&guest),
                    Kind::Attached,
                    "{} attached to channel {channel}, {how}",
                    shown(&guest, &name)
                );
                self.regions.all_mut()[index].names.attached(&guest, &name);
                self.tell(index, &guest, |region, from| ControlEvent::Attached { region, from });
            }
            Event::Detached { guest, name, reason } => {
                log!(info, self, Some(&guest), Kind::Detached, "{} detached: {reason}", shown(&guest, &name));
                let reason = reason.to_string();
                self.tell(index, &guest, |region, from| ControlEvent::Detached { region, from, reason });
                self.regions.all_mut()[index].names.detached(&guest);
                self.forget_answers(region, &guest);
                for waiter in self.expected.of_guest(region, &guest) {
                    self.give_up(waiter);
                }
            }
            Event::Lost(lost) => return Some(lost),
            event => self.log_only(index, event),
        }
        None
    }

    /// Events of which only the log hears.
    fn log_only(&mut self, index: usize, event: Event) {
        let served = &self.regions.all()[index];
        let name = |guest: &Identity| shown(guest, &served.names.who(guest).name);
        match event {
            Event::Stale { guest } => {
                log!(warn, self, Some(&guest), Kind::Stale, "{} is silent: paused, or gone", name(&guest));
            }
            Event::Back { guest } => {
                log!(info, self, Some(&guest), Kind::Back, "{} is back", name(&guest));
            }
            Event::Undelivered { guest, what } => {
                log!(
                    warn,
                    self,
                    Some(&guest),
                    Kind::Undelivered,
                    "{} never received {} messages, the first is {}",
                    name(&guest),
                    what.count,
                    what.first
                );
            }
            Event::Refused { guest, name, refusal } => {
                log!(
                    warn,
                    self,
                    Some(&guest),
                    Kind::Refused,
                    "{} is refused: {refusal}",
                    shown(&guest, &name)
                );
            }
            Event::Fault { guest, error } => {
                log!(error, self, Some(&guest), Kind::Fault, "{} broke its ring: {error}", name(&guest));
            }
            Event::SecondWriter(second) => {
                log!(error, self, None, Kind::SecondWriter, "region {}: {second}", served.names.region);
            }
            _ => {}
        }
    }

    /// Tells what is no message.
    fn tell(
        &mut self,
        index: usize,
        guest: &Identity,
        event: impl FnOnce(String, Option<GuestIdentity>) -> ControlEvent,
    ) {
        if self.server.has_listeners() {
            let served = &self.regions.all()[index];
            let event = event(served.names.region.clone(), Some(served.names.who(guest)));
            // Names and reasons have bounded lengths, far below a frame's.
            let _ = self.server.publish(&event, &[]);
        }
    }

    /// Answers a client with a guest's answer.
    fn pass_on(&mut self, waiter: Waiter, topic: String, status: Status, payload: &[u8]) {
        let Waiter { client, id, shown: guest, .. } = waiter;
        let error = match status {
            Status::Ok => {
                self.server.reply(client, &Response::done(id), payload);
                return;
            }
            Status::NoHandler => RequestError::NoHandler { guest, topic },
            Status::Failed => {
                RequestError::Failed { guest, text: String::from_utf8_lossy(payload).into_owned() }
            }
            Status::Unknown(code) => {
                RequestError::Failed { guest, text: format!("status {code} of a newer version") }
            }
        };
        self.server.reply(client, &error.response(id), &[]);
    }

    /// Answers a client with how long its ping took.
    fn measure(&mut self, region: RegionId, guest: &Identity, number: u64) {
        let now = Instant::now();
        let Some((waiter, sent)) = self.expected.pinged(number, region, guest) else { return };
        let round_trip_ns = u64::try_from(now.duration_since(sent).as_nanos()).unwrap_or(u64::MAX);
        self.server.reply(waiter.client, &Response::carrying(waiter.id, &Pong { round_trip_ns }), &[]);
    }
}

/// Tells a guest's message to those who listen, and says whether anybody took it.
fn tell_message(server: &mut Server, names: &Names, guest: &Identity, received: &Received<'_>) -> bool {
    let event = ControlEvent::Message {
        region: names.region.clone(),
        from: Some(names.who(guest)),
        topic: received.topic.to_owned(),
        message: received.id,
        redelivered: received.redelivered,
    };
    // A frame takes more than any region's record but those of hundreds of megabytes.
    let told = server.publish(&event, received.payload).unwrap_or(0) > 0;
    if told {
        // Before the ring is told that it is done with: what a killed daemon leaves is delivered again by the next.
        server.flush();
    }
    told
}

/// A guest in a line of the log.
fn shown(guest: &Identity, name: &str) -> String {
    if name.is_empty() { guest.to_string() } else { format!("{} ({guest})", printable(name)) }
}
