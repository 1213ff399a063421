//! What guests do: told to those who listen, or answered.

use std::time::Duration;

use ivring_proto::control::{Event as ControlEvent, Happening, Pong, Response, Sent, WhyNot};
use ivring_proto::link::{Arrival, Declined, Status, Unanswered};
use ivring_proto::session::Identity;

use super::Desk;
use super::answers::Question;
use super::expected::{Asked, Waiter, What};
use super::hosts::{Hosts, RegionId};
use super::request_error::RequestError;
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
            Arrival::Request { id, topic, payload, redelivered } => {
                let question = Question { region, guest, id, topic: &topic, redelivered };
                self.answer(hosts, question, payload.into_owned());
            }
            Arrival::Response { id, status, payload, round_trip } => {
                self.take_response(region, guest, id, status, &payload, round_trip);
            }
            Arrival::Pong { id, round_trip } => {
                self.take_pong(region, guest, id, round_trip);
            }
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
            // A frame takes more than any message but those of a host that was told to take longer ones.
            self.server.publish(&event, payload).unwrap_or(0) > 0
        };
        if told {
            // Before the ring is told that it is done with: what a killed daemon leaves is delivered again by the next.
            self.server.flush();
        } else {
            self.unheard += 1;
        }
    }

    /// Tells an event of that region, whatever it is; says whether it is the owner's business, too, and not only the answer
    /// to what a client asked.
    pub(crate) fn take_own(&mut self, region: RegionId, event: &Event) -> bool {
        match event {
            Event::Message { guest, topic, payload, id, redelivered } => {
                self.take_message(region, guest, *id, topic, payload, *redelivered);
                true
            }
            Event::Response { guest, id, status, payload, round_trip } => {
                !self.take_response(region, guest, *id, *status, payload, *round_trip)
            }
            Event::Pong { guest, id, round_trip } => !self.take_pong(region, guest, *id, *round_trip),
            event => !self.take_event(region, event),
        }
    }

    /// Tells an event of that region, and ends what waits for it; says whether a client did, and nobody else.
    pub(crate) fn take_event(&mut self, region: RegionId, event: &Event) -> bool {
        match event {
            Event::Attached { guest, name, channel, resumed } => {
                self.names.attached(region, guest, name);
                let event = ControlEvent::Attached {
                    region: self.names.region(region).to_owned(),
                    from: Some(self.names.who(region, guest)),
                    channel: *channel,
                    resumed: *resumed,
                };
                self.publish(&event);
            }
            Event::Detached { guest, reason, .. } => {
                let event = ControlEvent::Detached {
                    region: self.names.region(region).to_owned(),
                    from: Some(self.names.who(region, guest)),
                    reason: reason.to_string(),
                    code: reason.code(),
                };
                self.publish(&event);
                self.names.detached(region, guest);
                self.forget_answers(region, guest);
                self.serving.detached(region, guest);
                for (what, waiter) in self.expected.of_guest(region, guest) {
                    self.give_up(region, guest, what, waiter);
                }
            }
            Event::Stale { guest } => self.tell(region, guest, Happening::Stale),
            Event::Back { guest } => self.tell(region, guest, Happening::Back),
            Event::Undelivered { guest, what } => {
                self.tell(region, guest, Happening::Undelivered { count: what.count, first: what.first });
            }
            Event::Delivered { guest, id } => {
                self.tell(region, guest, Happening::Delivered { message: *id });
                return self.end_send(region, guest, *id, |waiter| {
                    Response::carrying(waiter.id, &Sent { message: *id })
                });
            }
            Event::Interrupted { guest, id, kind } => {
                self.tell(region, guest, Happening::Interrupted { message: *id, kind: *kind });
                return self.end_send(region, guest, *id, |waiter| {
                    RequestError::Interrupted { guest: waiter.shown }.response(waiter.id)
                });
            }
            Event::Declined { guest, id, kind, why } => {
                let reason = why_not_taken(*why);
                self.tell(region, guest, Happening::Declined { message: *id, kind: *kind, why: reason });
                return self.end_send(region, guest, *id, |waiter| {
                    RequestError::Declined { guest: waiter.shown, why: *why }.response(waiter.id)
                });
            }
            Event::Unanswered { guest, id, why } => {
                return self.take_unanswered(region, guest, *id, *why);
            }
            Event::Refused { guest, name, refusal } => {
                let mut event = self.happened(
                    region,
                    Some(guest),
                    Happening::Refused { reason: refusal.to_string(), detail: *refusal },
                );
                // It is not among the names of those who have a channel.
                if let ControlEvent::Happened { from: Some(from), .. } = &mut event {
                    from.name.clone_from(name);
                }
                self.publish(&event);
            }
            Event::Fault { guest, error } => {
                self.tell(region, guest, Happening::Fault { reason: error.to_string(), detail: *error });
            }
            Event::SecondWriter(second) => {
                let what = Happening::SecondWriter { reason: second.to_string(), detail: *second };
                let event = self.happened(region, None, what);
                self.publish(&event);
            }
            Event::SuperblockMended(wrong) => {
                let what = Happening::SuperblockMended { reason: wrong.to_string(), detail: *wrong };
                let event = self.happened(region, None, what);
                self.publish(&event);
            }
            Event::Regained => {
                let event = self.happened(region, None, Happening::Regained);
                self.publish(&event);
            }
            Event::Lost(lost) => {
                let event = self.happened(region, None, Happening::RegionLost { reason: lost.to_string() });
                self.publish(&event);
            }
            Event::Message { .. } | Event::Request { .. } | Event::Response { .. } | Event::Pong { .. } => {}
            // Clients hear these, and no host says them.
            Event::Missed { .. } | Event::Disconnected { .. } => {}
        }
        false
    }

    /// An event of a region, about a guest if there is one.
    pub(super) fn happened(
        &self,
        region: RegionId,
        guest: Option<&Identity>,
        what: Happening,
    ) -> ControlEvent {
        ControlEvent::Happened {
            region: self.names.region(region).to_owned(),
            from: guest.map(|guest| self.names.who(region, guest)),
            what,
        }
    }

    /// Tells those who listen what happened to a guest.
    fn tell(&mut self, region: RegionId, guest: &Identity, what: Happening) {
        if self.server.has_listeners() {
            let event = self.happened(region, Some(guest), what);
            self.publish(&event);
        }
    }

    fn publish(&mut self, event: &ControlEvent) {
        // Names and reasons have bounded lengths, far below a frame's.
        let _ = self.server.publish(event, &[]);
    }

    /// Passes a guest's answer on to the client that asked; `false` when none did.
    fn take_response(
        &mut self,
        region: RegionId,
        guest: &Identity,
        request: u64,
        status: Status,
        payload: &[u8],
        round_trip: Duration,
    ) -> bool {
        let Some(waiter) = self.expected.came(region, guest, What::Answer(request)) else { return false };
        if waiter.early {
            let what = Happening::Response { request, status, round_trip_ns: nanoseconds(round_trip) };
            let event = self.happened(region, Some(guest), what);
            self.server.end_early(waiter.client, &event, payload);
            return true;
        }
        let topic = match waiter.asked {
            Asked::Request { topic } => topic,
            Asked::Ping | Asked::Delivery | Asked::Eviction => String::new(),
        };
        let guest = waiter.shown;
        let error = match status {
            Status::Ok => {
                self.server.reply(waiter.client, &Response::done(waiter.id), payload);
                return true;
            }
            Status::NoHandler => RequestError::NoHandler { guest, topic },
            Status::Failed => {
                RequestError::Failed { guest, text: String::from_utf8_lossy(payload).into_owned() }
            }
            Status::Unknown(code) => {
                RequestError::Failed { guest, text: format!("status {code} of a newer version") }
            }
        };
        self.server.reply(waiter.client, &error.response(waiter.id), &[]);
        true
    }

    /// Answers the client whose ping this was with how long it took; `false` when it was nobody's.
    fn take_pong(&mut self, region: RegionId, guest: &Identity, request: u64, round_trip: Duration) -> bool {
        let Some(waiter) = self.expected.came(region, guest, What::Answer(request)) else { return false };
        let round_trip_ns = nanoseconds(round_trip);
        if waiter.early {
            let event = self.happened(region, Some(guest), Happening::Pong { request, round_trip_ns });
            self.server.end_early(waiter.client, &event, &[]);
        } else {
            self.server.reply(waiter.client, &Response::carrying(waiter.id, &Pong { round_trip_ns }), &[]);
        }
        true
    }

    /// Tells the client that asked that there will be no answer; `false` when none did.
    fn take_unanswered(&mut self, region: RegionId, guest: &Identity, request: u64, why: Unanswered) -> bool {
        let Some(waiter) = self.expected.came(region, guest, What::Answer(request)) else { return false };
        self.end_unanswered(region, guest, request, waiter, why);
        true
    }

    fn end_unanswered(
        &mut self,
        region: RegionId,
        guest: &Identity,
        request: u64,
        waiter: Waiter,
        why: Unanswered,
    ) {
        if !waiter.early {
            let error = RequestError::unanswered(waiter.shown, why);
            self.server.reply(waiter.client, &error.response(waiter.id), &[]);
            return;
        }
        let waited_ms = u64::try_from(waiter.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (why, waited_ms) = match why {
            Unanswered::TimedOut { waited } => {
                (WhyNot::TimedOut, u64::try_from(waited.as_millis()).unwrap_or(u64::MAX))
            }
            Unanswered::Detached => (WhyNot::Detached, waited_ms),
            Unanswered::Interrupted => (WhyNot::Interrupted, waited_ms),
            Unanswered::Declined(why) => (why_not_taken(why), waited_ms),
        };
        let event = self.happened(region, Some(guest), Happening::Unanswered { request, why, waited_ms });
        self.server.end_early(waiter.client, &event, &[]);
    }

    /// Answers the client whose message was taken, or will not be, unless it had its answer before; `false` when it was no
    /// client's.
    fn end_send(
        &mut self,
        region: RegionId,
        guest: &Identity,
        message: u64,
        response: impl FnOnce(Waiter) -> Response,
    ) -> bool {
        let Some(waiter) = self.expected.came(region, guest, What::Delivery(message)) else { return false };
        if !waiter.early {
            let client = waiter.client;
            self.server.reply(client, &response(waiter), &[]);
        }
        true
    }

    /// Answers a waiter whose guest will not do it any more.
    pub(super) fn give_up(&mut self, region: RegionId, guest: &Identity, what: What, waiter: Waiter) {
        match what {
            What::Eviction(_) => self.server.reply(waiter.client, &Response::done(waiter.id), &[]),
            What::Answer(request) => {
                self.end_unanswered(region, guest, request, waiter, Unanswered::Detached);
            }
            What::Delivery(_) if waiter.early => {}
            What::Delivery(_) => {
                let error = RequestError::Interrupted { guest: waiter.shown };
                self.server.reply(waiter.client, &error.response(waiter.id), &[]);
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn why_not_taken(why: Declined) -> WhyNot {
    match why {
        Declined::TooLarge => WhyNot::TooLarge,
        Declined::NoMemory => WhyNot::NoMemory,
    }
}
