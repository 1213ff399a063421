//! Where the two threads of a measurement run, and how far apart those processors are at the moment.
//!
//! A hypervisor moves virtual processors about, and every figure of two processors changes with it by a factor of 3 to 8.
//! So each measurement is done between two looks at the distance, and done again when they disagree.

use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Round trips of one look: about a millisecond.
const LOOKS: u64 = 5_000;
/// A line that goes there and back within this stays within one complex of caches.
const NEAR: Duration = Duration::from_nanos(200);
/// Measurements that are thrown away before one is taken as it is.
const PATIENCE: u32 = 5;

/// How far apart the two processors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// They share a cache.
    Near,
    /// They do not, or something else runs on one of them.
    Far,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Placement::Near => "near",
            Placement::Far => "far",
        })
    }
}

/// Keeps this thread on the first processor that the process may use, or on the second one. Where there is but one, or the
/// system refuses, nothing is done: the figures are worse then, and right.
pub fn pin(second: bool) {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(Pid::this()).unwrap_or_default();
    let mut processors = (0..CpuSet::count()).filter(|index| allowed.is_set(*index) == Ok(true));
    let mut only = CpuSet::new();
    if let Some(processor) = processors.nth(usize::from(second))
        && only.set(processor).is_ok()
    {
        let _ = sched_setaffinity(this, &only);
    }
}

/// The time that one line takes from the first processor to the second and back, and what that says.
#[must_use]
pub fn look() -> (Duration, Placement) {
    let line = CachePadded::new(AtomicU64::new(0));
    let answer = |wanted: u64| {
        while line.load(Relaxed) != wanted {
            spin_loop();
        }
        line.store(wanted + 1, Relaxed);
    };
    let time = thread::scope(|scope| {
        scope.spawn(|| {
            pin(true);
            (0..LOOKS).for_each(|round| answer(2 * round));
        });
        let first = scope.spawn(|| {
            pin(false);
            answer(1);
            let start = Instant::now();
            (1..LOOKS).for_each(|round| answer(2 * round + 1));
            start.elapsed()
        });
        first.join().expect("it only counts")
    });
    let trip = time / u32::try_from(LOOKS - 1).expect("a small number");
    (trip, if trip <= NEAR { Placement::Near } else { Placement::Far })
}

/// Measures while the processors are near, as far as can be had: what a measurement gave is dropped, and it is done again,
/// unless they were near before and after. On a machine where they never are, the last one counts.
pub fn measure<T>(mut measurement: impl FnMut() -> T) -> (T, Placement) {
    let mut tries = 0;
    loop {
        let (_, before) = look();
        let measured = measurement();
        let (_, after) = look();
        tries += 1;
        if (before, after) == (Placement::Near, Placement::Near) {
            return (measured, Placement::Near);
        }
        if tries == PATIENCE {
            return (measured, Placement::Far);
        }
    }
}
