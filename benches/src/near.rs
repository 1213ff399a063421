//! Measurements of two threads while the processors they run on are near each other.
//!
//! A hypervisor moves virtual processors about, and every figure of two processors changes with it by a factor of 3 to 8.
//! So each measurement is done between two probes of a raw line, and done again when one of them finds them apart.

use std::{sync::OnceLock, thread, time::Duration};

use ivring_proto::memory::HeapMemory;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    bounce::{Bounce, Lines},
    placement::Placement,
    processors,
};

/// How long a probe takes.
const PROBE: Duration = Duration::from_millis(1);
/// Measurements that are thrown away before one is taken as it is.
const TRIES: u32 = 5;

/// Keeps this thread on the first of two processors, or on the second one. Where there is but one, or the system refuses,
/// nothing is done: the figures are worse then, and right.
pub fn pin(second: bool) {
    static PROCESSORS: OnceLock<Option<[usize; 2]>> = OnceLock::new();
    if let Some(two) = PROCESSORS.get_or_init(|| processors::first_two().ok()) {
        let mut only = CpuSet::new();
        only.set(two[usize::from(second)]);
        let _ = sched_setaffinity(None, &only);
    }
}

/// The nanoseconds that a line takes from the first processor to the second and back, and what that says. Not a number, and
/// far, if the two cannot meet.
#[must_use]
pub fn probe() -> (f64, Placement) {
    let memory = HeapMemory::new(256);
    let mut there = Bounce::new(memory.clone(), Lines::One);
    let mut here = Bounce::new(memory, Lines::One);
    let best = thread::scope(|scope| {
        scope.spawn(move || {
            pin(true);
            // What goes wrong on this side shows on the other one.
            let _ = there.follow();
        });
        let first = scope.spawn(move || {
            pin(false);
            here.probe(PROBE).unwrap_or(f64::NAN)
        });
        first.join().unwrap_or(f64::NAN)
    });
    (best, Placement::of(&[best]).unwrap_or(Placement::Far))
}

/// Measures while the processors are near, as far as can be had: what a measurement gave is dropped, and it is done again,
/// unless they were near before and after. On a machine where they never are, the last one counts.
pub fn measure<T>(mut measurement: impl FnMut() -> T) -> (T, Placement) {
    let mut tries = 0;
    loop {
        let (before, _) = probe();
        let measured = measurement();
        let (after, _) = probe();
        tries += 1;
        let placement = Placement::of(&[before, after]).unwrap_or(Placement::Far);
        if placement == Placement::Near || tries == TRIES {
            return (measured, placement);
        }
    }
}
