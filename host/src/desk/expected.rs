//! What clients wait for a guest to do: answer a ping or a request, take a message in fragments, or be gone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_proto::control::ClientId;
use ivring_proto::session::Identity;

use super::hosts::RegionId;

/// What is waited for: the numbers are those of the guest's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// The answer to a ping or a request.
    Answer(u64),
    /// That a message in fragments is taken.
    Delivery(u64),
    /// That the guest's channel is free; several may wait for that.
    Eviction(u64),
}

/// What was asked of the guest.
#[derive(Debug)]
pub(super) enum Asked {
    Ping,
    Request { topic: String },
    Delivery,
    Eviction,
}

/// A client's request that is answered by what a guest does.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) client: ClientId,
    /// The client's number for it.
    pub(super) id: u64,
    /// It was answered already: what becomes of it is told by an event.
    pub(super) early: bool,
    /// The guest, as errors name it.
    pub(super) shown: String,
    pub(super) asked: Asked,
    /// Bytes of it that are kept until it is delivered.
    pub(super) kept: usize,
    pub(super) since: Instant,
    /// How long the client waits, where the link has no deadline for it.
    pub(super) patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    region: RegionId,
    guest: Identity,
    what: What,
}

/// Everything clients wait for. There are no more waiters than the control socket allows unanswered requests, and messages
/// in fragments that may be under way.
#[derive(Debug, Default)]
pub(super) struct Expected {
    waiters: HashMap<Key, Waiter>,
    evictions: u64,
    kept: usize,
}

impl Expected {
    /// A number for the next eviction.
    pub(super) fn eviction(&mut self) -> What {
        self.evictions += 1;
        What::Eviction(self.evictions)
    }

    /// Begins to wait.
    pub(super) fn wait(&mut self, region: RegionId, guest: Identity, what: What, waiter: Waiter) {
        self.kept += waiter.kept;
        if let Some(before) = self.waiters.insert(Key { region, guest, what }, waiter) {
            self.kept -= before.kept;
        }
    }

    /// Bytes of messages and requests that are kept until they are delivered.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The waiter for that, if there is one.
    pub(super) fn came(&mut self, region: RegionId, guest: &Identity, what: What) -> Option<Waiter> {
        let waiter = self.waiters.remove(&Key { region, guest: *guest, what })?;
        self.kept -= waiter.kept;
        Some(waiter)
    }

    /// The waiters for a guest whose session is over.
    pub(super) fn of_guest(&mut self, region: RegionId, guest: &Identity) -> Vec<(What, Waiter)> {
        let of_guest = |key: &Key, _: &Waiter| key.region == region && key.guest == *guest;
        self.take(of_guest).map(|(key, waiter)| (key.what, waiter)).collect()
    }

    /// The waiters in a region that is no more.
    pub(super) fn of_region(&mut self, region: RegionId) -> Vec<(Identity, What, Waiter)> {
        self.take(|key, _| key.region == region).map(|(key, waiter)| (key.guest, key.what, waiter)).collect()
    }

    /// Those who have waited long enough for a channel to be free, or for a message to be taken. What is kept of the
    /// message goes on to be counted. Everything else has its deadline in the link.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<(What, ClientId, u64)> {
        let mut overdue = Vec::new();
        self.waiters.retain(|key, waiter| {
            let is_over = now.duration_since(waiter.since) >= waiter.patience && !waiter.early;
            match key.what {
                What::Eviction(_) | What::Delivery(_) if is_over => {
                    overdue.push((key.what, waiter.client, waiter.id));
                    waiter.early = true;
                    matches!(key.what, What::Delivery(_))
                }
                _ => true,
            }
        });
        overdue
    }

    /// All waiters: the owner leaves.
    pub(super) fn all(&mut self) -> Vec<Waiter> {
        self.take(|_, _| true).map(|(_, waiter)| waiter).collect()
    }

    /// Forgets what clients that have gone waited for, except what is still kept for them. Returns the answers that nobody
    /// waits for any more, with the guests that were to give them.
    pub(super) fn keep_clients(
        &mut self,
        is_there: impl Fn(ClientId) -> bool,
    ) -> Vec<(RegionId, Identity, u64)> {
        let gone = self.take(|_, waiter| waiter.kept == 0 && !is_there(waiter.client));
        gone.filter_map(|(key, _)| match key.what {
            What::Answer(number) => Some((key.region, key.guest, number)),
            What::Delivery(_) | What::Eviction(_) => None,
        })
        .collect()
    }

    fn take(&mut self, wanted: impl Fn(&Key, &Waiter) -> bool) -> impl Iterator<Item = (Key, Waiter)> {
        let taken: Vec<_> = self.waiters.extract_if(|key, waiter| wanted(key, waiter)).collect();
        self.kept -= taken.iter().map(|(_, waiter)| waiter.kept).sum::<usize>();
        taken.into_iter()
    }
}
