//! Messages to guests: pushed as they come, published together, retried while they may wait for room.

use std::collections::VecDeque;
use std::time::Instant;

use ivring_proto::control::{Response, Sent};
use ivring_proto::link::{ENVELOPE, SendError, Topic, is_transfer};
use ivring_proto::ring::HEADER;
use ivring_proto::session::{Identity, Phase};

use super::expected::{Asked, Waiter, What};
use super::hosts::{Hosts, RegionId};
use super::request_error::RequestError;
use super::requests::MOST_KEPT;
use super::roster::Present;
use super::waiting_sends::{Queue, WaitingSend};
use super::{Desk, PATIENCE};
use crate::HostSendError;

/// Bytes of a record that are neither topic nor payload.
const RECORD: u64 = HEADER + ENVELOPE as u64;

impl Desk {
    /// Pushes a message, or lets it wait for room; the answer comes later then.
    pub(super) fn send(
        &mut self,
        hosts: &mut impl Hosts,
        present: &Present,
        send: WaitingSend,
    ) -> Result<Option<Response>, RequestError> {
        // What waits is bounded by the lengths of bodies, and a topic that is none can be as long as a frame's header.
        Topic::new(&send.topic)?;
        let (region, guest) = (present.region, *present.identity());
        // Before the push: room that comes in between is a change that is seen later.
        let room = room(hosts, region, &guest);
        // Those who came first go first.
        let pushed = if self.waiting.any_for(region, &guest) {
            Err(full(room, &send).into())
        } else {
            self.push(hosts, region, &guest, &send)
        };
        match pushed {
            Ok(message) => Ok(self.pushed(region, guest, present.shown(), send, message)),
            Err(HostSendError::Send(SendError::Full { .. })) if !send.patience.is_zero() => {
                if self.waiting.is_full() || !self.may_keep(send.body.len()) {
                    return Err(RequestError::TooManyWait);
                }
                self.waiting.push(region, guest, present.shown(), room, send);
                Ok(None)
            }
            Err(error) => Err(RequestError::of_send(present.shown(), present.info.phase, error)),
        }
    }

    /// The answer for a message that was pushed; none yet when it goes over in fragments, and the client waits for that.
    fn pushed(
        &mut self,
        region: RegionId,
        guest: Identity,
        shown: String,
        send: WaitingSend,
        message: u64,
    ) -> Option<Response> {
        let WaitingSend { client, id, early, body, since, patience, .. } = send;
        if is_transfer(message) {
            let kept = body.len();
            let patience = patience.max(since.elapsed()) + PATIENCE;
            let waiter = Waiter { client, id, early, shown, asked: Asked::Delivery, kept, since, patience };
            self.expected.wait(region, guest, What::Delivery(message), waiter);
            if !early {
                return None;
            }
        }
        Some(Response::carrying(id, &Sent { message }))
    }

    /// Pushes a message into the open batch of its guest.
    fn push(
        &mut self,
        hosts: &mut impl Hosts,
        region: RegionId,
        guest: &Identity,
        send: &WaitingSend,
    ) -> Result<u64, HostSendError> {
        let host = hosts.host(region).ok_or(SendError::NotAttached)?;
        let is_kept = send.body.len() > host.max_record(guest, &send.topic);
        if is_kept && self.expected.kept() + send.body.len() > MOST_KEPT {
            return Err(full(host.room(guest), send).into());
        }
        let message = host.push(guest, &send.topic, &send.body)?;
        if !self.unflushed.contains(&(region, *guest)) {
            self.unflushed.push((region, *guest));
        }
        Ok(message)
    }

    /// Tries again what waits for room, where that has changed. Says whether anything was sent.
    pub(super) fn retry_sends(&mut self, hosts: &mut impl Hosts) -> bool {
        let mut queues = self.waiting.take();
        let mut any = false;
        for queue in &mut queues {
            if room(hosts, queue.region, &queue.guest) != queue.room {
                any |= self.retry_queue(hosts, queue);
            }
        }
        self.waiting.put_back(queues);
        any
    }

    fn retry_queue(&mut self, hosts: &mut impl Hosts, queue: &mut Queue) -> bool {
        let mut any = false;
        while let Some(send) = queue.sends.pop_front() {
            // Before the push, as in `send`.
            queue.room = room(hosts, queue.region, &queue.guest);
            let client = send.client;
            let shown = queue.shown.clone();
            let response = match self.push(hosts, queue.region, &queue.guest, &send) {
                Ok(message) => self.pushed(queue.region, queue.guest, shown, send, message),
                // A guest that is just restarted may be back in time.
                Err(HostSendError::Send(SendError::Full { .. } | SendError::NotAttached)) => {
                    queue.sends.push_front(send);
                    break;
                }
                Err(error) => Some(RequestError::of_send(shown, Phase::Attached, error).response(send.id)),
            };
            if let Some(response) = response {
                self.server.reply(client, &response, &[]);
            }
            any = true;
        }
        any
    }

    /// Answers messages that have waited long enough.
    pub(super) fn end_sends(&mut self, hosts: &mut impl Hosts, now: Instant) {
        let mut queues = self.waiting.take();
        for queue in &mut queues {
            let is_over = |send: &WaitingSend| now.duration_since(send.since) >= send.patience;
            // All of them, not the first only: a later one can have less patience.
            let (over, left): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut queue.sends).into_iter().partition(is_over);
            queue.sends = left;
            for send in over {
                let full = full(room(hosts, queue.region, &queue.guest), &send);
                let error = RequestError::of_send(queue.shown.clone(), Phase::Attached, full.into());
                self.server.reply(send.client, &error.response(send.id), &[]);
            }
        }
        self.waiting.put_back(queues);
    }
}

fn room(hosts: &mut impl Hosts, region: RegionId, guest: &Identity) -> u64 {
    hosts.host(region).map_or(0, |host| host.room(guest))
}

/// What a push would say to a message that must not overtake others.
fn full(room: u64, send: &WaitingSend) -> SendError {
    let record = RECORD + send.topic.len() as u64 + send.body.len() as u64;
    SendError::Full { needed: record.next_multiple_of(8), free: room }
}
