//! Moments to begin at, spread evenly over the time between two looks of a host or guest.
//!
//! What one side does is noticed when the other one looks next. A measurement that begins when the one before it has ended
//! always begins at the same distance from a look, and is always lucky or always unlucky.

use std::time::Duration;

/// Longer than the time between two looks of either side at the other: the longest is 5 ms.
const SPAN: f64 = 0.010;
/// Multiples of it fill the span evenly, however many there are.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// How long to wait before each measurement. One that goes on from one call to the next, as a call may measure but once.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    number: u32,
}

impl Moments {
    /// The next one.
    pub(crate) fn next(&mut self) -> Duration {
        self.number = self.number.wrapping_add(1);
        Duration::from_secs_f64((f64::from(self.number) * GOLDEN).fract() * SPAN)
    }
}
