//! Answers to what guests ask, and those that wait for room.

use std::collections::VecDeque;
use std::time::Instant;

use ivring_proto::link::{SendError, Status};
use ivring_proto::session::Identity;
use serde::Serialize;

use super::Desk;
use super::hosts::{Hosts, RegionId};
use super::log_limit::Kind;

/// Answers with what was asked.
const ECHO: &str = "ivring.echo";
/// Answers with [`Info`] as JSON.
const INFO: &str = "ivring.info";
/// Bytes of answers that may wait for one guest. Who asks for more than it receives loses the rest.
const MOST_BYTES: usize = 1 << 20;

/// No ring has that much room.
const NOT_TRIED: u64 = u64::MAX;

/// Whether a topic is answered here, and by no client.
pub(super) fn is_own(topic: &str) -> bool {
    matches!(topic, ECHO | INFO)
}

/// A guest's request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) region: RegionId,
    pub(super) guest: &'a Identity,
    /// The guest's number for it.
    pub(super) id: u64,
    pub(super) topic: &'a str,
    pub(super) redelivered: bool,
}

/// What a guest that asks for `ivring.info` reads.
#[derive(Debug, Serialize)]
struct Info<'a> {
    version: &'a str,
    region: &'a str,
    uptime_ms: u128,
}

#[derive(Debug)]
struct Answer {
    id: u64,
    status: Status,
    payload: Vec<u8>,
}

/// The answers that wait for one guest's ring.
#[derive(Debug)]
pub(super) struct WaitingAnswers {
    region: RegionId,
    guest: Identity,
    /// Room in the ring before the first was last tried; nothing to try while it is the same.
    room: u64,
    bytes: usize,
    answers: VecDeque<Answer>,
}

impl Desk {
    /// Answers a guest's request to the host, or hands it on to the client that serves its topic.
    pub(super) fn answer(&mut self, hosts: &mut impl Hosts, question: Question<'_>, payload: Vec<u8>) {
        let Question { region, guest, id, topic, .. } = question;
        let (status, payload) = match topic {
            ECHO => (Status::Ok, payload),
            INFO => {
                let uptime_ms = self.started.elapsed().as_millis();
                let region = self.names.region(region);
                let info = Info { version: env!("CARGO_PKG_VERSION"), region, uptime_ms };
                (Status::Ok, serde_json::to_vec(&info).expect("text and numbers are JSON"))
            }
            _ => match self.hand_on(question, &payload) {
                Ok(()) => return,
                Err(answer) => answer,
            },
        };
        if !self.give(hosts, region, guest, id, status, payload) {
            self.log_lost_answer(guest, "it does not receive those that wait already");
        }
    }

    /// Answers a guest now or as soon as there is room. Says `false` when too many answers to it wait already.
    pub(super) fn give(
        &mut self,
        hosts: &mut impl Hosts,
        region: RegionId,
        guest: &Identity,
        id: u64,
        status: Status,
        payload: Vec<u8>,
    ) -> bool {
        let queue = self.answers_to(region, guest);
        let is_first = queue.answers.is_empty();
        // A byte more for each, so that empty ones are bounded, too.
        let bytes = payload.len() + 1;
        if !is_first && queue.bytes + bytes > MOST_BYTES {
            return false;
        }
        queue.bytes += bytes;
        queue.answers.push_back(Answer { id, status, payload });
        if is_first {
            self.retry_answers(hosts);
        }
        true
    }

    /// The queue of a guest, made where there is none.
    fn answers_to(&mut self, region: RegionId, guest: &Identity) -> &mut WaitingAnswers {
        let index = self.answers.iter().position(|queue| queue.is_of(region, guest)).unwrap_or_else(|| {
            let (room, bytes, answers) = (NOT_TRIED, 0, VecDeque::new());
            self.answers.push(WaitingAnswers { region, guest: *guest, room, bytes, answers });
            self.answers.len() - 1
        });
        &mut self.answers[index]
    }

    /// Sends answers that there is room for by now; says whether anything was sent.
    pub(super) fn retry_answers(&mut self, hosts: &mut impl Hosts) -> bool {
        let mut queues = std::mem::take(&mut self.answers);
        let mut any = false;
        for queue in &mut queues {
            any |= self.retry_answers_of(hosts, queue);
        }
        queues.retain(|queue| !queue.answers.is_empty());
        self.answers = queues;
        any
    }

    fn retry_answers_of(&mut self, hosts: &mut impl Hosts, queue: &mut WaitingAnswers) -> bool {
        let WaitingAnswers { region, guest, room, bytes, answers } = queue;
        let Some(host) = hosts.host(*region) else {
            answers.clear();
            return false;
        };
        if host.room(guest) == *room {
            return false;
        }
        let before = answers.len();
        let mut lost = None;
        while let Some(Answer { id, status, payload }) = answers.front() {
            // Before the push: room that comes in between is a change that is seen later.
            *room = host.room(guest);
            match host.respond(guest, *id, *status, payload) {
                Ok(()) => {}
                Err(SendError::Full { .. }) => break,
                // The rings can be of two sizes. The words are short, and if they do not fit either, the guest waits in vain.
                Err(error @ SendError::TooLarge { .. }) => {
                    let words = error.to_string();
                    lost = host.respond(guest, *id, Status::Failed, words.as_bytes()).err().or(lost);
                }
                Err(error @ (SendError::NotAttached | SendError::Fault(_))) => lost = Some(error),
            }
            *bytes -= payload.len() + 1;
            answers.pop_front();
        }
        let any = answers.len() < before;
        if let Some(error) = lost {
            self.log_lost_answer(&queue.guest, &error.to_string());
        }
        any
    }

    /// Forgets the answers to a guest whose session is over.
    pub(super) fn forget_answers(&mut self, region: RegionId, guest: &Identity) {
        self.answers.retain(|queue| !queue.is_of(region, guest));
    }

    fn log_lost_answer(&mut self, guest: &Identity, why: &str) {
        if let Some(suppressed) = self.limit.allows(Some(guest), Kind::Answer, Instant::now()) {
            tracing::warn!("an answer to {guest} is lost: {why}{suppressed}");
        }
    }
}

impl WaitingAnswers {
    pub(super) fn is_in(&self, region: RegionId) -> bool {
        self.region == region
    }

    fn is_of(&self, region: RegionId, guest: &Identity) -> bool {
        self.region == region && self.guest == *guest
    }
}
