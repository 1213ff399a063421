//! Heartbeats: beat your own, read back what you wrote, and judge the peer's by your own clock.

use crate::memory::Memory;
use core::time::Duration;

/// Time between two beats.
pub const BEAT: Duration = Duration::from_secs(1);
/// The same for a writer that has something to do.
const HASTY_BEAT: Duration = Duration::from_millis(20);

/// Somebody else wrote into this side's own line: a clone of a snapshot, a second program with the same identity, a
/// rolled-back region or a scribbler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("heartbeat or epoch reads {found:#018x} and {written:#018x} was written: somebody else writes here")]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct SecondWriter {
    /// What this side wrote last.
    pub written: u64,
    /// What the word says now.
    pub found: u64,
}

/// The writer's half of a heartbeat: counter in the low half, fresh random in the high half.
///
/// The random half is what tells two writers apart that woke from one memory snapshot and hold the same counter.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    at: u64,
    written: u64,
    beaten: Duration,
    due: Duration,
}

impl Pulse {
    /// Begins a heartbeat in the word at `at`.
    pub fn start<M: Memory>(memory: &M, at: u64, now: Duration, random: u64) -> Self {
        let mut pulse = Pulse { at, written: 0, beaten: now, due: now };
        pulse.store(memory, now, random);
        pulse
    }

    fn store<M: Memory>(&mut self, memory: &M, now: Duration, random: u64) {
        let counter = self.written.wrapping_add(1) & 0xffff_ffff;
        self.written = counter | random << 32;
        self.beaten = now;
        self.due = now + BEAT;
        // EDGE heartbeat (pairs with Pulse::read_back): who reads it sees by what right it was written.
        memory.store_release(self.at, self.written);
        memory.after_publish();
    }

    /// Has the next beat come soon after the last.
    pub fn hasten(&mut self) {
        self.due = self.due.min(self.beaten + HASTY_BEAT);
    }

    /// When the next beat is due.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// Looks whether the word is still what was written last. One load, so that it can be done often: what somebody else
    /// does here is found before much is built on it.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn read_back<M: Memory>(&self, memory: &M) -> Result<(), SecondWriter> {
        // EDGE heartbeat (pairs with Pulse::store).
        let found = memory.load_acquire(self.at);
        if found == self.written {
            return Ok(());
        }
        memory.after_ready();
        Err(SecondWriter { written: self.written, found })
    }

    /// Beats when a beat is due, and says whether it did.
    ///
    /// # Errors
    ///
    /// When the word is not what was written last; nothing is stored then.
    pub fn beat<M: Memory>(&mut self, memory: &M, now: Duration, random: u64) -> Result<bool, SecondWriter> {
        if now < self.due {
            return Ok(false);
        }
        self.read_back(memory)?;
        self.store(memory, now, random);
        Ok(true)
    }
}

/// What a reader thinks of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its heartbeat moves.
    Alive,
    /// Its heartbeat has not moved for the limit. It may be dead, or paused.
    Stale,
}

/// The reader's half of a heartbeat. Clocks are never compared across: only the time since the word last changed
/// counts, by the reader's own clock, and not the time in which the reader itself was suspended.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    word: u64,
    changed: Duration,
    looked: Duration,
    limit: Duration,
}

impl Watch {
    /// Begins to watch; the peer counts as alive for the first `limit`.
    pub fn start(word: u64, now: Duration, limit: Duration) -> Self {
        Watch { word, changed: now, looked: now, limit }
    }

    /// Judges by the word as it is now.
    pub fn look(&mut self, word: u64, now: Duration) -> Liveness {
        let suspended = now.saturating_sub(self.looked) > 2 * BEAT;
        self.looked = now;
        if word != self.word || suspended {
            self.word = word;
            self.changed = now;
        }
        if now.saturating_sub(self.changed) > self.limit { Liveness::Stale } else { Liveness::Alive }
    }

    /// Time since the word last changed, at the last look.
    pub fn silent_for(&self) -> Duration {
        self.looked.saturating_sub(self.changed)
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use super::*;
    use crate::memory::HeapMemory;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_beat_changes_both_halves() {
        let memory = HeapMemory::new(4096);
        let mut pulse = Pulse::start(&memory, 8, s(0), 7);
        assert_eq!(memory.load(8), 1 | 7 << 32);
        assert_eq!(pulse.beat(&memory, Duration::from_millis(999), 8), Ok(false));
        assert_eq!(pulse.beat(&memory, s(1), 9), Ok(true));
        assert_eq!(memory.load(8), 2 | 9 << 32);
    }

    #[test]
    fn a_beat_comes_soon_where_something_is_done() {
        let memory = HeapMemory::new(4096);
        let mut pulse = Pulse::start(&memory, 8, s(0), 7);
        pulse.hasten();
        assert_eq!(pulse.due(), HASTY_BEAT);
        assert_eq!(pulse.beat(&memory, HASTY_BEAT, 8), Ok(true));
        assert_eq!(pulse.due(), HASTY_BEAT + BEAT);
    }

    #[test]
    fn a_second_writer_is_found_at_the_next_beat_and_nothing_is_overwritten() {
        let memory = HeapMemory::new(4096);
        let mut pulse = Pulse::start(&memory, 8, s(0), 7);
        let mut clone = pulse;
        assert_eq!(clone.beat(&memory, s(1), 1), Ok(true));
        let found = memory.load(8);
        assert_eq!(pulse.beat(&memory, s(1), 2), Err(SecondWriter { written: 1 | 7 << 32, found }));
        assert_eq!(memory.load(8), found);
    }

    #[test]
    fn silence_counts_by_the_readers_clock_but_not_while_it_slept() {
        let mut watch = Watch::start(1, s(0), s(5));
        for second in 1..=5 {
            assert_eq!(watch.look(1, s(second)), Liveness::Alive);
        }
        assert_eq!(watch.look(1, s(6)), Liveness::Stale);
        assert_eq!(watch.look(2, s(7)), Liveness::Alive);
        // The reader was suspended for an hour; the peer gets its full limit again.
        assert_eq!(watch.look(2, s(3607)), Liveness::Alive);
        for second in 3608..=3612 {
            assert_eq!(watch.look(2, s(second)), Liveness::Alive);
        }
        assert_eq!(watch.look(2, s(3613)), Liveness::Stale);
    }
}
