//! What clients wait for a guest to do: answer a ping or a request, or be gone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_proto::control::ClientId;
use ivring_proto::session::Identity;

use super::hosts::RegionId;

/// What was asked of the guest.
#[derive(Debug)]
pub(super) enum Asked {
    Ping,
    Request { topic: String },
    Eviction,
}

/// A client's request that a guest's answer will answer.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) client: ClientId,
    /// The client's number for it.
    pub(super) id: u64,
    pub(super) region: RegionId,
    pub(super) guest: Identity,
    /// The guest, as errors name it.
    pub(super) shown: String,
    pub(super) asked: Asked,
    pub(super) since: Instant,
    pub(super) patience: Duration,
}

impl Waiter {
    fn is_of(&self, region: RegionId, guest: &Identity) -> bool {
        self.region == region && self.guest == *guest
    }
}

/// Everything clients wait for. There are no more waiters than the control socket allows unanswered requests.
#[derive(Debug)]
pub(super) struct Expected {
    waiters: HashMap<u64, Waiter>,
    last: u64,
}

impl Expected {
    /// Numbers begin anywhere, so that an answer to an earlier daemon's ping is not taken for one to ours.
    pub(super) fn new(first: u64) -> Self {
        Expected { waiters: HashMap::new(), last: first }
    }

    /// A number for the next ping or request.
    pub(super) fn number(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Begins to wait for the answer of that number.
    pub(super) fn wait(&mut self, number: u64, waiter: Waiter) {
        self.waiters.insert(number, waiter);
    }

    /// The waiter for a pong of that number, if it comes from the guest that was pinged.
    pub(super) fn pinged(&mut self, number: u64, region: RegionId, guest: &Identity) -> Option<Waiter> {
        let waiter = self.waiters.get(&number).filter(|waiter| waiter.is_of(region, guest))?;
        let Asked::Ping = waiter.asked else { return None };
        self.waiters.remove(&number)
    }

    /// The waiter for a response of that number, and the topic; if it comes from the guest that was asked.
    pub(super) fn requested(
        &mut self,
        number: u64,
        region: RegionId,
        guest: &Identity,
    ) -> Option<(Waiter, String)> {
        let waiter = self.waiters.get_mut(&number).filter(|waiter| waiter.is_of(region, guest))?;
        let Asked::Request { topic } = &mut waiter.asked else { return None };
        let topic = std::mem::take(topic);
        Some((self.waiters.remove(&number)?, topic))
    }

    /// The waiters for a guest whose session is over.
    pub(super) fn of_guest(&mut self, region: RegionId, guest: &Identity) -> Vec<Waiter> {
        self.take(|waiter| waiter.is_of(region, guest))
    }

    /// The waiters in a region that is no more.
    pub(super) fn of_region(&mut self, region: RegionId) -> Vec<Waiter> {
        self.take(|waiter| waiter.region == region)
    }

    /// The waiters that have waited long enough.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Waiter> {
        self.take(|waiter| now.duration_since(waiter.since) >= waiter.patience)
    }

    /// All waiters: the daemon leaves.
    pub(super) fn all(&mut self) -> Vec<Waiter> {
        self.take(|_| true)
    }

    /// Forgets what clients that have gone waited for.
    pub(super) fn keep_clients(&mut self, is_there: impl Fn(ClientId) -> bool) {
        self.waiters.retain(|_, waiter| is_there(waiter.client));
    }

    fn take(&mut self, wanted: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        self.waiters.extract_if(|_, waiter| wanted(waiter)).map(|(_, waiter)| waiter).collect()
    }
}
