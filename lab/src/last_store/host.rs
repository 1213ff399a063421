//! The host: does what `ivring_host::Host` does, by the same ends and exchanges, at a time that it is told.

use std::time::Duration;

use fastrand::Rng;
use ivring_proto::layout::{Geometry, RegionState, Superblock, read_superblock};
use ivring_proto::link::{Budget, Exchange, FrontDesk, HostEnd, HostEvent, Incarnation, Link, format_region};
use ivring_proto::memory::Memory;
use ivring_proto::session::{CloseReason, HostPulse, Identity};

use super::guest::role_of;
use super::order::{GUESTS, Role};
use super::party::{MAX_MESSAGE, Speaker, Tell, ended, event, heard};

/// Of the region: one channel more than there are guests, and the smallest rings there can be.
const SIZE: u64 = 1 << 20;
const CHANNELS: u64 = GUESTS as u64 + 1;
const CAPACITY: u64 = 4096;
const STALE: Duration = Duration::from_secs(5);
/// Records taken from one guest in a round.
const TURN: usize = 64;

/// The geometry of the region.
pub(super) fn geometry() -> Geometry {
    Geometry::with_capacities(SIZE, CHANNELS, CAPACITY, CAPACITY).expect("three small channels fit")
}

/// The host.
pub(super) struct HostParty<M> {
    memory: M,
    geometry: Geometry,
    ends: Vec<HostEnd<M>>,
    exchanges: Vec<Exchange>,
    desk: FrontDesk,
    pulse: HostPulse,
    dice: Rng,
    speakers: [Speaker; GUESTS],
    buffer: Vec<u8>,
}

impl<M: Memory + Clone> HostParty<M> {
    pub(super) fn begin(memory: M, life: u64, now: Duration) -> Self {
        let geometry = geometry();
        if !read_superblock(&memory).is_ok_and(|found| found.state == RegionState::Ready) {
            format_region(&memory, &Superblock::new(geometry, [0; 16], "last-store"));
        }
        let mut dice = Rng::with_seed(life);
        let ends: Vec<_> = (0..CHANNELS)
            .filter_map(|index| HostEnd::recover(memory.clone(), &geometry, index, now, STALE, None))
            .collect();
        let budget = Budget::new(MAX_MESSAGE);
        let exchanges = ends.iter().map(|_| Exchange::new(MAX_MESSAGE, budget.clone())).collect();
        let mut host = Self {
            exchanges,
            desk: FrontDesk::open(&memory, &geometry, None),
            pulse: HostPulse::start(&memory, &geometry, now, &mut || dice.u64(..)),
            ends,
            geometry,
            memory,
            dice,
            speakers: [Speaker::new(life); GUESTS],
            buffer: vec![0; usize::try_from(CAPACITY / 2).expect("a small number")],
        };
        (0..host.ends.len()).for_each(|index| host.begin_exchange(index));
        host
    }

    fn begin_exchange(&mut self, index: usize) {
        let end = &self.ends[index];
        let Some(version) = end.channel().binding().map(|binding| binding.version) else { return };
        self.exchanges[index].begin(Incarnation::of(self.pulse.epoch()), version);
    }

    pub(super) fn turn(&mut self, now: Duration, tell: &mut Tell<'_>) {
        let Self { memory, geometry, dice, .. } = self;
        if let Some(rival) = self.pulse.beat(memory, now, &mut || dice.u64(..)) {
            tell(event("region", "second writer", format!("{rival:?}")));
        }
        while let Some(refused) = self.desk.serve(memory, geometry, &mut self.ends, now) {
            tell(event(&refused.request.identity.to_string(), "refused", refused.refusal.to_string()));
        }
        for index in 0..self.ends.len() {
            while let Some(event) = self.ends[index].poll(now, &mut || self.dice.u64(..)) {
                self.take_note(index, event, tell);
            }
            self.exchanges[index].expire(now);
            self.receive(index, now, tell);
            let exchange = &mut self.exchanges[index];
            // What goes wrong closes the session, and that is told.
            let _ = self.ends[index].send_with(|link| exchange.pump(link));
            self.tell_outcomes(index, tell);
        }
    }

    fn take_note(&mut self, index: usize, happened: HostEvent, tell: &mut Tell<'_>) {
        let peer = |identity: &Identity| role_of(identity.uuid).name();
        match happened {
            HostEvent::Detached { binding, reason } => {
                if reason != CloseReason::Superseded {
                    self.exchanges[index].end();
                    while let Some(outcome) = self.exchanges[index].outcome() {
                        tell(ended(peer(&binding.identity), outcome));
                    }
                }
                tell(event(peer(&binding.identity), "detached", reason.to_string()));
            }
            HostEvent::Attached { resumed } => {
                if resumed {
                    self.exchanges[index].peer_was_replaced();
                }
                self.begin_exchange(index);
                self.tell_outcomes(index, tell);
            }
            HostEvent::Fault { guest, error } => tell(event(peer(&guest), "fault", error.to_string())),
            HostEvent::Undelivered { guest, what } => {
                let (peer, count, first) = (peer(&guest).to_owned(), what.count, what.first);
                tell(crate::witness::Line::Undelivered { peer, count, first });
            }
            HostEvent::Refuse { cell, request, refusal } => {
                FrontDesk::refuse(&self.memory, &self.geometry, cell, &request, refusal);
            }
            HostEvent::Stale | HostEvent::Back => {}
        }
    }

    fn peer(&self, index: usize) -> Option<Role> {
        Some(role_of(self.ends[index].channel().binding()?.identity.uuid))
    }

    fn tell_outcomes(&mut self, index: usize, tell: &mut Tell<'_>) {
        let Some(peer) = self.peer(index) else { return };
        while let Some(outcome) = self.exchanges[index].outcome() {
            tell(ended(peer.name(), outcome));
        }
    }

    fn receive(&mut self, index: usize, now: Duration, tell: &mut Tell<'_>) {
        let Some(peer) = self.peer(index) else { return };
        let (end, exchange) = (&mut self.ends[index], &mut self.exchanges[index]);
        for _ in 0..TURN {
            exchange.ack();
            match end.receive(&mut self.buffer) {
                Ok(Some(received)) => {
                    let arrival = exchange.take(received, end.piece(), || now);
                    if let Some(line) = arrival.and_then(|arrival| heard(peer.name(), arrival)) {
                        tell(line);
                    }
                }
                Ok(None) => {
                    exchange.is_drained();
                    break;
                }
                Err(error) => {
                    tell(event(peer.name(), "fault", error.to_string()));
                    break;
                }
            }
        }
    }

    /// What it has to speak with a guest.
    fn with(
        &mut self,
        to: Role,
        speak: impl FnOnce(&mut Speaker, &mut Exchange, &mut Link<M>) -> usize,
    ) -> usize {
        let Some(index) = (0..self.ends.len()).find(|index| self.peer(*index) == Some(to)) else { return 0 };
        let speaker = &mut self.speakers[to.index() - 1];
        let exchange = &mut self.exchanges[index];
        self.ends[index].link().map_or(0, |link| speak(speaker, exchange, link))
    }

    pub(super) fn say(&mut self, to: Role, lengths: &[usize], tell: &mut Tell<'_>) -> usize {
        self.with(to, |speaker, exchange, link| speaker.say(to.name(), exchange, link, lengths, tell))
    }

    pub(super) fn say_large(&mut self, to: Role, length: usize, tell: &mut Tell<'_>) -> usize {
        self.with(to, |speaker, exchange, link| speaker.say_large(to.name(), exchange, link, length, tell))
    }

    pub(super) fn evict(&mut self, guest: usize) {
        let of_guest = |index: &usize| self.peer(*index) == Some(Role::Guest(guest));
        if let Some(index) = (0..self.ends.len()).find(of_guest) {
            self.ends[index].end(CloseReason::Evicted);
        }
    }

    /// Leaves the region, and the sessions to the next host.
    pub(super) fn leave(&mut self, tell: &mut Tell<'_>) {
        self.pulse.leave(&self.memory);
        for index in 0..self.ends.len() {
            self.exchanges[index].end();
            self.tell_outcomes(index, tell);
            if let Some(link) = self.ends[index].link() {
                link.ack();
                link.rx().release();
                link.flush();
            }
        }
        tell(crate::witness::Line::End);
    }

    pub(super) fn attached(&mut self) -> usize {
        self.ends.iter_mut().filter_map(HostEnd::link).count()
    }
}
