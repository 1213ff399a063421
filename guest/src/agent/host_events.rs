//! What happens on the channel, and the answers to the host's requests.

use std::time::{Duration, Instant};

use ivring_proto::control;
use ivring_proto::link::{Kind, Status, Unanswered};
use ivring_proto::session::printable;

use super::info::info;
use super::transfers::TransferError;
use super::{Agent, AgentError, EVENTS_A_TURN, Host};
use crate::{Event, Waiting};

impl Agent {
    /// Takes what came from the host, up to a bound; says whether anything did.
    pub(super) fn serve_host(&mut self, now: Instant) -> Result<bool, AgentError> {
        let mut busy = false;
        let wanted = self.server.as_ref().is_some_and(control::Server::has_listeners);
        if let Some(guest) = &mut self.guest {
            guest.want_large_messages(wanted);
        }
        for _ in 0..EVENTS_A_TURN {
            let Some(event) = self.guest.as_mut().and_then(|guest| guest.poll()) else { break };
            busy = true;
            self.take(event, now)?;
        }
        if self.give_up.is_some_and(|at| now >= at) {
            return Err(AgentError::NotNow(Waiting::Host));
        }
        Ok(busy || self.guest.as_mut().is_some_and(|guest| guest.has_moved()))
    }

    fn take(&mut self, event: Event, now: Instant) -> Result<(), AgentError> {
        match event {
            Event::Message { topic, payload, id, redelivered } => {
                tracing::trace!("message {id} on {topic:?}, {} bytes", payload.len());
                let (region, from) = (self.region_name(), None);
                self.publish(
                    &control::Event::Message { region, from, topic, message: id, redelivered },
                    &payload,
                );
            }
            Event::Request { id, topic, payload, .. } => self.answer(id, &topic, payload, now),
            Event::Response { id, status, payload, .. } => self.pass_response_on(id, status, &payload),
            Event::Pong { id, round_trip } => self.pass_pong_on(id, round_trip),
            Event::Unanswered { id, why } => self.pass_silence_on(id, why),
            Event::Delivered { id } => self.transfer_ended(id, Ok(())),
            Event::Interrupted { id, kind: Kind::Message } => {
                self.transfer_ended(id, Err(TransferError::Interrupted));
            }
            Event::Declined { id, kind: Kind::Message, why } => {
                self.transfer_ended(id, Err(TransferError::Declined(why)));
            }
            Event::Interrupted { id, .. } => {
                self.log(now, format_args!("the answer to the host's request {id} was interrupted"));
            }
            Event::Declined { id, why, .. } => {
                self.log(now, format_args!("the host did not take the answer to its request {id}: {why}"));
            }
            Event::Waiting(waiting) => return self.waits(waiting, now),
            Event::Attached { channel } => self.attached(channel, now),
            Event::Detached(reason) => {
                self.log(now, format_args!("detached: {reason}; joining anew"));
                self.detached(&reason.to_string());
            }
            Event::Fault(error) => {
                self.log(now, format_args!("detached, the host wrote what cannot be: {error}; joining anew"));
                self.detached(&error.to_string());
            }
            Event::RegionReplaced => {
                self.log(now, format_args!("the region's file was replaced; joining the new one"));
                self.detached("the region's file was replaced");
            }
            Event::RegionLost(lost) => {
                self.log(now, format_args!("detached, the region is lost: {lost}; looking for it again"));
                self.detached(&lost.to_string());
            }
            Event::RegionFound => {
                self.log(now, format_args!("found a region's memory again; joining anew"));
            }
            Event::HostRestarted => {
                self.host_is(Host::Alive, "the host was started anew; nothing is lost", now)
            }
            Event::HostAway => {
                self.host_is(Host::Away, "the host has ended; messages wait for its return", now)
            }
            Event::HostStale => self.host_is(Host::Stale, "the host does not move any more", now),
            Event::HostBack => self.host_is(Host::Alive, "the host is back", now),
            Event::Superseded => {
                self.detached("superseded by a newer program");
                return Err(AgentError::Superseded);
            }
        }
        Ok(())
    }

    /// Logs something that the host caused, within the budget for that.
    fn log(&mut self, now: Instant, line: std::fmt::Arguments<'_>) {
        match self.budget.take(now) {
            None => {}
            Some(0) => tracing::info!("{line}"),
            Some(left_out) => tracing::info!("{line} ({left_out} lines before this one were left out)"),
        }
    }

    fn waits(&mut self, waiting: Waiting, now: Instant) -> Result<(), AgentError> {
        if self.once && waiting != Waiting::Host {
            return Err(AgentError::NotNow(waiting));
        }
        self.log(now, format_args!("waiting: {waiting}"));
        Ok(())
    }

    fn attached(&mut self, channel: u64, now: Instant) {
        (self.once, self.give_up, self.host) = (false, None, Host::Alive);
        let region = self.region_name();
        self.log(now, format_args!("attached to region '{}', channel {channel}", printable(&region)));
        self.publish(&control::Event::Attached { region, from: None, channel, resumed: false }, &[]);
    }

    fn detached(&mut self, reason: &str) {
        let (region, reason) = (self.region_name(), reason.to_owned());
        self.publish(&control::Event::Detached { region, from: None, reason, code: 0 }, &[]);
    }

    fn host_is(&mut self, host: Host, line: &str, now: Instant) {
        self.host = host;
        self.log(now, format_args!("{line}"));
    }

    fn answer(&mut self, id: u64, topic: &str, payload: Vec<u8>, now: Instant) {
        let Some(guest) = &mut self.guest else { return };
        tracing::debug!("the host asks for {topic:?}, {} bytes", payload.len());
        let (status, payload) = match topic {
            "ivring.echo" => (Status::Ok, payload),
            "ivring.info" => (Status::Ok, info(&self.machine, guest)),
            _ => (Status::NoHandler, Vec::new()),
        };
        self.answers.give(guest, id, status, payload);
        if status == Status::NoHandler {
            self.log(now, format_args!("nobody here serves the host's request '{}'", printable(topic)));
        }
    }

    fn pass_pong_on(&mut self, number: u64, round_trip: Duration) {
        if let Some(call) = self.calls.ended(number) {
            self.reply_pong(&call, round_trip);
        }
    }

    fn pass_response_on(&mut self, number: u64, status: Status, payload: &[u8]) {
        if let Some(call) = self.calls.ended(number) {
            self.reply_response(&call, status, payload);
        }
    }

    fn pass_silence_on(&mut self, number: u64, why: Unanswered) {
        if let Some(call) = self.calls.ended(number) {
            self.reply_unanswered(&call, why);
        }
    }

    fn region_name(&self) -> String {
        self.guest.as_ref().map(|guest| guest.region_name().to_owned()).unwrap_or_default()
    }

    /// Tells the clients that listen.
    fn publish(&mut self, event: &control::Event, payload: &[u8]) {
        let heard = match &mut self.server {
            // What fits a ring fits a frame, in all but the largest regions.
            Some(server) if server.has_listeners() => server.publish(event, payload).unwrap_or(0),
            _ => 0,
        };
        if heard == 0 && matches!(event, control::Event::Message { .. }) {
            self.unheard += 1;
        }
    }
}
