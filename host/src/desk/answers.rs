//! Answers to what guests ask, and those that wait for room.

use std::time::Instant;

use ivring_proto::link::{Status, WaitingAnswers};
use ivring_proto::session::Identity;
use serde::Serialize;

use super::Desk;
use super::hosts::{Hosts, RegionId};
use super::log_limit::Kind;

/// Answers with what was asked.
const ECHO: &str = "ivring.echo";
/// Answers with [`Info`] as JSON.
const INFO: &str = "ivring.info";
/// A guest for which no more than so many bytes of answers wait is never refused more for the sake of others.
const SHARE: usize = 64 << 10;

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

/// The answers that wait for one guest's ring.
#[derive(Debug)]
pub(super) struct GuestAnswers {
    region: RegionId,
    guest: Identity,
    /// Room in the ring before the first was last tried; nothing to try while it is the same.
    room: u64,
    waiting: WaitingAnswers,
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
            self.log_lost_answer(guest, "too many that it or others do not receive wait already");
        }
    }

    /// Answers a guest now or as soon as there is room. Says `false` when too many answers wait already: to it, or to all
    /// guests of its region.
    pub(super) fn give(
        &mut self,
        hosts: &mut impl Hosts,
        region: RegionId,
        guest: &Identity,
        id: u64,
        status: Status,
        payload: Vec<u8>,
    ) -> bool {
        let Some(host) = hosts.host(region) else { return true };
        let index = self.queue_of(region, guest);
        let before = self.answers[index].waiting.bytes();
        let fits = self.answers[index].waiting.bytes_with(payload.len()).is_some_and(|bytes| {
            // What all have is looked at only where it matters: it is a walk over all channels.
            bytes <= SHARE || {
                let others = self.waiting_in(region) - before + host.kept_answers();
                others.saturating_add(bytes) <= host.max_kept_answers()
            }
        });
        if !fits {
            host.lose_answers(guest, 1);
            return false;
        }
        self.answers[index].waiting.push(id, status, payload);
        if before == 0 {
            self.retry_answers(hosts);
        }
        true
    }

    /// Where the queue of a guest is; made where there is none.
    fn queue_of(&mut self, region: RegionId, guest: &Identity) -> usize {
        self.answers.iter().position(|queue| queue.is_of(region, guest)).unwrap_or_else(|| {
            let waiting = WaitingAnswers::default();
            self.answers.push(GuestAnswers { region, guest: *guest, room: NOT_TRIED, waiting });
            self.answers.len() - 1
        })
    }

    /// Bytes of answers that wait for room in that guest's ring.
    pub(super) fn waiting_for(&self, region: RegionId, guest: &Identity) -> usize {
        self.answers.iter().find(|queue| queue.is_of(region, guest)).map_or(0, |queue| queue.waiting.bytes())
    }

    /// Bytes of answers that wait for room, of all guests of a region.
    fn waiting_in(&self, region: RegionId) -> usize {
        self.answers.iter().filter(|queue| queue.is_in(region)).map(|queue| queue.waiting.bytes()).sum()
    }

    /// Sends answers that there is room for by now; says whether anything was sent.
    pub(super) fn retry_answers(&mut self, hosts: &mut impl Hosts) -> bool {
        let mut queues = std::mem::take(&mut self.answers);
        let mut any = false;
        for queue in &mut queues {
            any |= self.retry_answers_of(hosts, queue);
        }
        queues.retain(|queue| !queue.waiting.is_empty());
        self.answers = queues;
        any
    }

    fn retry_answers_of(&mut self, hosts: &mut impl Hosts, queue: &mut GuestAnswers) -> bool {
        let GuestAnswers { region, guest, room, waiting } = queue;
        let Some(host) = hosts.host(*region) else { return false };
        if host.room(guest) == *room {
            return false;
        }
        let tried = waiting.retry(|id, status, payload| {
            // Before the push: room that comes in between is a change that is seen later.
            *room = host.room(guest);
            host.respond(guest, id, status, payload)
        });
        host.lose_answers(guest, tried.lost);
        if let Some(why) = tried.why {
            self.log_lost_answer(guest, &why.to_string());
        }
        tried.moved
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

impl GuestAnswers {
    pub(super) fn is_in(&self, region: RegionId) -> bool {
        self.region == region
    }

    fn is_of(&self, region: RegionId, guest: &Identity) -> bool {
        self.region == region && self.guest == *guest
    }
}
