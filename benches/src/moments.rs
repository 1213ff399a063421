//! Moments to begin at, spread evenly over the time between two looks of a host or guest.
//!
//! What one side does is noticed when the other one looks next. A measurement that begins when the one before it has ended
//! always begins at the same distance from a look, and is always lucky or always unlucky.

use std::time::Duration;

/// Longer than the time between two looks of either side at the other: the longest is 5 ms.
const SPAN: f64 = 0.010;
/// Multiples of it fill the span evenly, however many there are.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// How long to wait before the measurement of that number.
pub(crate) fn moment(number: u64) -> Duration {
    // Only the fraction matters, and a small number is exact.
    let number = u32::try_from(number % 1_000_000).unwrap_or(0);
    Duration::from_secs_f64((f64::from(number) * GOLDEN).fract() * SPAN)
}
