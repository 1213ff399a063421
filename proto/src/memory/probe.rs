//! What a mapping's memory type is, as far as reading tells.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use super::{HeapMemory, Memory, copy::is_emulated};

/// Loads that are timed at a time.
const LOADS: u32 = 16;
/// Measurements of each memory; the best counts.
const ROUNDS: u32 = 24;
/// As many are made however long they take: one could be disturbed.
const LEAST_ROUNDS: u32 = 3;
/// After this no other round begins.
const LIMIT: Duration = Duration::from_millis(2);
/// A load from the caches takes up to this much longer than one from private memory; one from memory takes 60 ns at the very
/// least, and a guest's from an uncached BAR hundreds.
const MARGIN: Duration = Duration::from_nanos(10);
/// Or up to so many times as long, where loads are slow as such.
const FACTOR: u32 = 4;

/// How long reading a mapping takes, beside reading private memory: what is cached is write-back, what is not is uncached or
/// write-combining. Between those two reading does not tell: what they differ in is how stores are gathered.
///
/// Takes 5 ms at most, unless a load takes more than 100 us. Stores nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Time of [`LOADS`] loads.
    shared: Duration,
    private: Duration,
    emulated: bool,
}

impl Probe {
    /// Reads the first word of `memory` again and again. It should be one that nobody writes meanwhile, as a region's first.
    ///
    /// # Panics
    ///
    /// When `memory` has no word.
    #[must_use]
    pub fn of(memory: &impl Memory) -> Self {
        // None of the loads can be left out, and none begins before the one before it is done.
        Self::of_loads(|| {
            black_box(memory.load_acquire(0));
        })
    }

    fn of_loads(mut load: impl FnMut()) -> Self {
        let memory = HeapMemory::new(64);
        let mut load_private = || {
            black_box(memory.load_acquire(0));
        };
        // Once before: the pages are there then, and the code is in the caches.
        load();
        load_private();
        let mut best = [Duration::MAX; 3];
        let begun = Instant::now();
        for round in 0..ROUNDS {
            if round >= LEAST_ROUNDS && begun.elapsed() > LIMIT {
                break;
            }
            let clock = Instant::now().elapsed();
            let times = [clock, time_of(&mut load), time_of(&mut load_private)];
            best = std::array::from_fn(|i| best[i].min(times[i]));
        }
        let [clock, shared, private] = best;
        Self {
            shared: shared.saturating_sub(clock),
            private: private.saturating_sub(clock),
            emulated: is_emulated(),
        }
    }

    /// Whether reads come from the caches: the mapping is write-back.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.shared <= self.private * FACTOR + MARGIN * LOADS
    }

    /// Whether the processor is QEMU's emulator, which knows no memory types: everything reads as write-back there.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.emulated
    }

    /// Nanoseconds that one load from the mapping took.
    #[must_use]
    pub fn read_nanoseconds(&self) -> f64 {
        nanoseconds_of_one(self.shared)
    }

    /// Nanoseconds that one load from private memory took.
    #[must_use]
    pub fn private_nanoseconds(&self) -> f64 {
        nanoseconds_of_one(self.private)
    }
}

/// The time of [`LOADS`] loads and one look at the clock.
fn time_of(load: &mut impl FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..LOADS {
        load();
    }
    begun.elapsed()
}

fn nanoseconds_of_one(loads: Duration) -> f64 {
    loads.as_secs_f64() * 1e9 / f64::from(LOADS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::SlowMemory;
    use std::cell::Cell;

    #[test]
    fn ordinary_memory_is_cached() {
        assert!(Probe::of(&HeapMemory::new(4096)).is_cached());
    }

    #[test]
    fn memory_whose_loads_take_their_time_is_not() {
        for delay in [100, 300, 1000] {
            let probe = Probe::of(&SlowMemory::new(HeapMemory::new(4096), Duration::from_nanos(delay)));
            assert!(!probe.is_cached(), "{delay} ns more: {probe:?}");
            assert!(probe.read_nanoseconds() > probe.private_nanoseconds(), "{probe:?}");
        }
    }

    #[test]
    fn very_slow_memory_is_read_a_few_times_only() {
        let loads = Cell::new(0);
        let probe = Probe::of_loads(|| {
            loads.set(loads.get() + 1);
            std::thread::sleep(Duration::from_micros(100));
        });
        assert!(!probe.is_cached(), "{probe:?}");
        assert_eq!(loads.get(), 1 + LOADS * LEAST_ROUNDS);
    }
}
