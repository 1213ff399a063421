//! The host's own heartbeat and epoch: by them guests know a host, and a host finds that it is not the only one.

use super::{Entropy, Liveness, Pulse, SecondWriter, Watch};
use crate::layout::{Geometry, status_word};
use crate::memory::Memory;
use core::time::Duration;

/// A host that has found another writer waits until that one has been silent for this long: more than two beats, so that
/// another host that lives is not taken for one that is gone; and longer than it takes to write a whole region back.
const SILENCE: Duration = Duration::from_millis(2500);

/// What a host learns of somebody else who writes its heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// There is one: another host, somebody who put a snapshot or a copy of the region back, or a scribbler. From now on
    /// the host stands by: it writes nothing into the region and believes nothing in it.
    Found(SecondWriter),
    /// Nobody else has written for a while. The host writes its part of the region anew and then
    /// [renews](HostPulse::renew) its heartbeat.
    Gone,
}

/// The host's own heartbeat and epoch, in the status page.
#[derive(Debug, Clone, Copy)]
pub struct HostPulse {
    status: u64,
    epoch: u64,
    /// The epoch as it was stored last.
    written: u64,
    pulse: Pulse,
    /// Somebody else's heartbeat, while there is one.
    rival: Option<Watch>,
}

impl HostPulse {
    /// Begins a new epoch.
    pub fn start<M: Memory>(
        memory: &M,
        geometry: &Geometry,
        now: Duration,
        entropy: &mut impl Entropy,
    ) -> Self {
        let status = geometry.status();
        let epoch = entropy.nonzero();
        let pulse = Pulse::start(memory, status + status_word::HEARTBEAT, now, entropy.word());
        memory.before_publish();
        memory.store_release(status + status_word::EPOCH, epoch);
        memory.after_publish();
        HostPulse { status, epoch, written: epoch, pulse, rival: None }
    }

    /// The incarnation of this host.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True from [`Rival::Found`] until [`renew`](Self::renew): the region is not this host's to write.
    pub fn stands_by(&self) -> bool {
        self.rival.is_some()
    }

    /// Says that a channel is in use: the next beat comes soon. What was done since the last one is what a region that is put
    /// back to that time would be without, and only by the heartbeat it would show.
    pub fn hasten(&mut self) {
        self.pulse.hasten();
    }

    /// Reads the heartbeat back, and beats when a beat is due; with each beat also the epoch, by which guests go. Never blocks;
    /// call it every few milliseconds.
    pub fn beat<M: Memory>(
        &mut self,
        memory: &M,
        now: Duration,
        entropy: &mut impl Entropy,
    ) -> Option<Rival> {
        if let Some(rival) = &mut self.rival {
            let silent = rival.look(memory.load(self.status + status_word::HEARTBEAT), now);
            return (silent == Liveness::Stale).then_some(Rival::Gone);
        }
        // Random numbers come from the kernel: drawn for a beat, not for each look.
        let beaten = match self.pulse.read_back(memory) {
            Ok(()) if now >= self.pulse.due() => self
                .read_back_epoch(memory)
                .and_then(|()| self.pulse.beat(memory, now, entropy.word()).map(drop)),
            looked => looked,
        };
        let second = beaten.err()?;
        let heartbeat = memory.load(self.status + status_word::HEARTBEAT);
        self.rival = Some(Watch::start(heartbeat, now, SILENCE));
        Some(Rival::Found(second))
    }

    fn read_back_epoch<M: Memory>(&self, memory: &M) -> Result<(), SecondWriter> {
        let found = memory.load(self.status + status_word::EPOCH);
        if found == self.written { Ok(()) } else { Err(SecondWriter { written: self.written, found }) }
    }

    /// Begins a new epoch after [`Rival::Gone`].
    pub fn renew<M: Memory>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        now: Duration,
        entropy: &mut impl Entropy,
    ) {
        *self = Self::start(memory, geometry, now, entropy);
    }

    /// Tells the guests that the host leaves; their sessions stay. One that stands by tells them nothing.
    pub fn leave<M: Memory>(&mut self, memory: &M) {
        if self.stands_by() {
            return;
        }
        self.written = 0;
        memory.before_publish();
        memory.store_release(self.status + status_word::EPOCH, 0);
        memory.after_publish();
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use super::*;
    use crate::memory::HeapMemory;

    const SIZE: u64 = 1 << 20;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn of_two_hosts_the_newcomer_stays_and_the_other_is_back_when_it_ends() {
        let memory = HeapMemory::new(1 << 20);
        let geometry = Geometry::new(SIZE, 1).unwrap();
        let mut dice = 0..;
        let mut random = || dice.next().unwrap();
        let mut first = HostPulse::start(&memory, &geometry, ms(0), &mut random);
        assert_eq!(first.beat(&memory, ms(1), &mut random), None);
        let mut second = HostPulse::start(&memory, &geometry, ms(2), &mut random);
        let found = first.beat(&memory, ms(3), &mut random);
        assert!(matches!(found, Some(Rival::Found(_))) && first.stands_by(), "{found:?}");
        // Each beat of the newcomer is seen, and answered by nothing.
        for now in (4..8000).map(ms) {
            assert_eq!(second.beat(&memory, now, &mut random), None);
            assert_eq!(first.beat(&memory, now, &mut random), None);
        }
        first.leave(&memory);
        assert_eq!(memory.load(geometry.status() + status_word::EPOCH), second.epoch());
        let back = (8000..12000).find(|now| first.beat(&memory, ms(*now), &mut random) == Some(Rival::Gone));
        assert!(back.is_some_and(|now| (9500..10_600).contains(&now)), "{back:?}");
        first.renew(&memory, &geometry, ms(12_000), &mut random);
        assert!(!first.stands_by());
        assert_eq!(first.beat(&memory, ms(12_001), &mut random), None);
        assert_eq!(memory.load(geometry.status() + status_word::EPOCH), first.epoch());
    }
}
