//! A guest: does what `ivring_guest::Guest` does, by the same end and exchange, at a time that it is told.

use std::time::Duration;

use fastrand::Rng;
use ivring_proto::link::{Budget, Exchange, GuestEnd, GuestEvent, GuestOptions, Incarnation};
use ivring_proto::memory::Memory;
use ivring_proto::session::{Identity, Port, Text, Uuid};

use super::order::{GUESTS, Role};
use super::party::{MAX_MESSAGE, Speaker, Tell, ended, event, heard};
use crate::witness::Line;

const STALE: Duration = Duration::from_secs(5);
/// Records taken in a round.
const TURN: usize = 64;

fn uuid_of(guest: usize) -> Uuid {
    Uuid::from_u128(0xf00d_0000 + guest as u128)
}

/// Whose UUID this is.
pub(super) fn role_of(uuid: Uuid) -> Role {
    Role::Guest((0..GUESTS).find(|guest| uuid_of(*guest) == uuid).unwrap_or(GUESTS))
}

/// A guest.
pub(super) struct GuestParty<M> {
    end: GuestEnd<M>,
    exchange: Exchange,
    host_epoch: u64,
    dice: Rng,
    speaker: Speaker,
    buffer: Vec<u8>,
}

impl<M: Memory + Clone> GuestParty<M> {
    pub(super) fn begin(memory: M, index: usize, life: u64, boot: u64) -> Self {
        let options = GuestOptions {
            identity: Identity { uuid: uuid_of(index), port: Port::agent() },
            boot: Uuid::from_u128(u128::from(boot)),
            name: Text::truncated(Role::Guest(index).name()),
            stale_after: STALE,
        };
        Self {
            end: GuestEnd::new(memory, options),
            exchange: Exchange::new(MAX_MESSAGE, Budget::new(MAX_MESSAGE)),
            host_epoch: 0,
            dice: Rng::with_seed(life),
            speaker: Speaker::new(life),
            buffer: Vec::new(),
        }
    }

    pub(super) fn turn(&mut self, now: Duration, tell: &mut Tell<'_>) {
        while let Some(event) = self.end.poll(now, &mut || self.dice.u64(..)) {
            self.take_note(event, tell);
        }
        self.exchange.expire(now);
        self.receive(now, tell);
        if let Some(link) = self.end.link() {
            // A fault ends the session at the next look.
            let _ = self.exchange.pump(link);
        }
        self.tell_outcomes(tell);
    }

    fn take_note(&mut self, happened: GuestEvent, tell: &mut Tell<'_>) {
        match happened {
            GuestEvent::Attached { .. } => {
                let Some(offer) = self.end.offer() else { return };
                self.exchange.begin(Incarnation::of(offer.nonce), offer.version);
                self.buffer = vec![0; usize::try_from(offer.place.to_guest.capacity / 2).unwrap_or(0)];
                self.host_epoch = self.end.host_epoch().unwrap_or(0);
            }
            GuestEvent::HostRestarted | GuestEvent::HostBack => self.host_is_there(),
            GuestEvent::Detached(reason) => {
                self.exchange.end();
                tell(event(Role::Host.name(), "detached", reason.to_string()));
            }
            GuestEvent::Fault(error) => {
                self.exchange.end();
                tell(event(Role::Host.name(), "fault", error.to_string()));
            }
            GuestEvent::Superseded => {
                self.exchange.end();
                tell(event(Role::Host.name(), "superseded", String::new()));
            }
            GuestEvent::Waiting(_) | GuestEvent::HostAway | GuestEvent::HostStale => {}
        }
        self.tell_outcomes(tell);
    }

    /// Another host goes on with the session, if it is another.
    fn host_is_there(&mut self) {
        let epoch = self.end.host_epoch().unwrap_or(0);
        if epoch == self.host_epoch || epoch == 0 {
            return;
        }
        self.host_epoch = epoch;
        if let Some(link) = self.end.link() {
            self.exchange.peer_is_being_replaced(Incarnation::of(epoch), link);
        }
    }

    fn tell_outcomes(&mut self, tell: &mut Tell<'_>) {
        while let Some(outcome) = self.exchange.outcome() {
            tell(ended(Role::Host.name(), outcome));
        }
    }

    fn receive(&mut self, now: Duration, tell: &mut Tell<'_>) {
        for _ in 0..TURN {
            self.exchange.ack();
            match self.end.receive(now, &mut self.buffer) {
                Ok(Some(received)) => {
                    let arrival = self.exchange.take(received, self.end.piece(), || now);
                    if let Some(line) = arrival.and_then(|arrival| heard(Role::Host.name(), arrival)) {
                        tell(line);
                    }
                }
                Ok(None) => {
                    self.exchange.is_drained();
                    break;
                }
                Err(error) => {
                    self.exchange.end();
                    tell(event(Role::Host.name(), "fault", error.to_string()));
                    break;
                }
            }
        }
    }

    pub(super) fn say(&mut self, lengths: &[usize], tell: &mut Tell<'_>) -> usize {
        let Some(link) = self.end.link() else { return 0 };
        self.speaker.say(Role::Host.name(), &mut self.exchange, link, lengths, tell)
    }

    pub(super) fn say_large(&mut self, length: usize, tell: &mut Tell<'_>) -> usize {
        let Some(link) = self.end.link() else { return 0 };
        self.speaker.say_large(Role::Host.name(), &mut self.exchange, link, length, tell)
    }

    /// Says good-bye.
    pub(super) fn leave(&mut self, tell: &mut Tell<'_>) {
        self.end.bye();
        self.exchange.end();
        self.tell_outcomes(tell);
        tell(Line::End);
    }

    pub(super) fn attached(&mut self) -> usize {
        usize::from(self.end.is_attached())
    }
}
