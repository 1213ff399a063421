//! What guests do: told to those who listen, or answered.

use std::time::Instant;

use ivring_proto::control::{Event as ControlEvent, GuestIdentity, Pong, Response};
use ivring_proto::link::{self, Received, Status};
use ivring_proto::session::Identity;

use super::Desk;
use super::expected::Waiter;
use super::hosts::{Hosts, RegionId};
use super::requests::RequestError;
use crate::Event;

/// What a guest sent that is no message, out of the buffer that the next record needs.
#[derive(Debug)]
pub(crate) struct Sent {
    guest: Identity,
    kind: link::Kind,
    id: u64,
    status: Status,
    topic: String,
    payload: Vec<u8>,
}

impl Sent {
    /// Copies it.
    pub(crate) fn new(guest: &Identity, received: &Received<'_>) -> Self {
        let Received { kind, id, topic, status, payload, .. } = *received;
        Sent { guest: *guest, kind, id, status, topic: topic.to_owned(), payload: payload.to_vec() }
    }
}

impl Desk {
    /// Tells a guest's message to those who listen.
    pub(crate) fn take_message(&mut self, region: RegionId, guest: &Identity, received: &Received<'_>) {
        if !self.server.has_listeners() || !self.tell_message(region, guest, received) {
            self.unheard += 1;
        }
    }

    /// Says whether anybody took it.
    fn tell_message(&mut self, region: RegionId, guest: &Identity, received: &Received<'_>) -> bool {
        let event = ControlEvent::Message {
            region: self.names.region(region).to_owned(),
            from: Some(self.names.who(region, guest)),
            topic: received.topic.to_owned(),
            message: received.id,
            redelivered: received.redelivered,
        };
        // A frame takes more than any region's record but those of hundreds of megabytes.
        let told = self.server.publish(&event, received.payload).unwrap_or(0) > 0;
        if told {
            // Before the ring is told that it is done with: what a killed daemon leaves is delivered again by the next.
            self.server.flush();
        }
        told
    }

    /// Answers what a guest asks, or passes its answer on.
    pub(crate) fn take(&mut self, hosts: &mut impl Hosts, region: RegionId, sent: Sent) {
        let Sent { guest, kind, id, status, topic, payload } = sent;
        match kind {
            link::Kind::Request => self.answer(hosts, region, &guest, id, &topic, payload),
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

    /// Tells an event of that region, and ends what waits for a guest that is gone.
    pub(crate) fn take_event(&mut self, region: RegionId, event: &Event) {
        match event {
            Event::Attached { guest, name, .. } => {
                self.names.attached(region, guest, name);
                self.tell(region, guest, |region, from| ControlEvent::Attached { region, from });
            }
            Event::Detached { guest, reason, .. } => {
                let reason = reason.to_string();
                self.tell(region, guest, |region, from| ControlEvent::Detached { region, from, reason });
                self.names.detached(region, guest);
                self.forget_answers(region, guest);
                for waiter in self.expected.of_guest(region, guest) {
                    self.give_up(waiter);
                }
            }
            _ => {}
        }
    }

    /// Tells what is no message.
    fn tell(
        &mut self,
        region: RegionId,
        guest: &Identity,
        event: impl FnOnce(String, Option<GuestIdentity>) -> ControlEvent,
    ) {
        if self.server.has_listeners() {
            let event = event(self.names.region(region).to_owned(), Some(self.names.who(region, guest)));
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
