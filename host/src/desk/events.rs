//! What guests do: told to those who listen, or answered.

use std::time::Duration;

use ivring_proto::control::{Event as ControlEvent, GuestIdentity, Pong, Response};
use ivring_proto::link::{Arrival, Status};
use ivring_proto::session::Identity;

use super::Desk;
use super::expected::Waiter;
use super::hosts::{Hosts, RegionId};
use super::requests::RequestError;
use crate::Event;

impl Desk {
    /// Tells what a guest sent, answers what it asks, or passes its answer on.
    pub(crate) fn take(
        &mut self,
        hosts: &mut impl Hosts,
        region: RegionId,
        guest: &Identity,
        arrival: Arrival<'_>,
    ) {
        match arrival {
            Arrival::Message { id, topic, payload, redelivered } => {
                self.take_message(region, guest, id, &topic, &payload, redelivered);
            }
            Arrival::Request { id, topic, payload, .. } => {
                self.answer(hosts, region, guest, id, &topic, payload.into_owned());
            }
            Arrival::Response { id, status, payload, .. } => {
                if let Some((waiter, topic)) = self.expected.requested(id, region, guest) {
                    self.pass_on(waiter, topic, status, &payload);
                }
            }
            Arrival::Pong { id, round_trip } => self.measure(region, guest, id, round_trip),
        }
    }

    /// Tells a guest's message to those who listen. Needs no host, so it can be done while one is receiving.
    pub(crate) fn take_message(
        &mut self,
        region: RegionId,
        guest: &Identity,
        message: u64,
        topic: &str,
        payload: &[u8],
        redelivered: bool,
    ) {
        let told = self.server.has_listeners() && {
            let event = ControlEvent::Message {
                region: self.names.region(region).to_owned(),
                from: Some(self.names.who(region, guest)),
                topic: topic.to_owned(),
                message,
                redelivered,
            };
            // A frame takes more than any message but those of hundreds of megabytes.
            self.server.publish(&event, payload).unwrap_or(0) > 0
        };
        if told {
            // Before the ring is told that it is done with: what a killed daemon leaves is delivered again by the next.
            self.server.flush();
        } else {
            self.unheard += 1;
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
    fn measure(&mut self, region: RegionId, guest: &Identity, number: u64, round_trip: Duration) {
        let Some(waiter) = self.expected.pinged(number, region, guest) else { return };
        let round_trip_ns = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.server.reply(waiter.client, &Response::carrying(waiter.id, &Pong { round_trip_ns }), &[]);
    }
}
