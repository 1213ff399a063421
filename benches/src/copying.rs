//! What no ring can be faster than: one core that copies messages out of memory which nobody else uses.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Copies messages of `length` bytes one after the other out of `area` bytes; returns nanoseconds for each.
///
/// # Panics
///
/// When the area holds no message.
pub(crate) fn copy(length: usize, area: usize, warm_up: Duration, measured: Duration) -> f64 {
    let from = vec![1_u8; area / length * length];
    assert!(!from.is_empty(), "{area} bytes hold no message of {length}");
    let mut into = vec![0_u8; length];
    let mut rounds = 0_u32;
    let mut passed = Duration::ZERO;
    for phase in [warm_up, measured] {
        (rounds, passed) = (0, Duration::ZERO);
        let start = Instant::now();
        while passed < phase || rounds == 0 {
            for message in from.chunks_exact(length) {
                black_box(&mut into[..]).copy_from_slice(black_box(message));
            }
            rounds += 1;
            passed = start.elapsed();
        }
    }
    let messages = f64::from(rounds) * f64::from(u32::try_from(area / length).unwrap_or(u32::MAX));
    passed.as_secs_f64() * 1e9 / messages
}
