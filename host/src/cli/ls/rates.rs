//! Counters of two moments, as rates.

use std::time::{Duration, Instant};

use ivring_proto::link::Counters;
use serde::Serialize;

/// A guest's counters at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) counters: Counters,
    /// Pings of this command's own that were answered since, which are no traffic of the guest's.
    pub(super) pings: u64,
}

/// What passes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Rates {
    pub(super) received: f64,
    pub(super) received_bytes: f64,
    pub(super) sent: f64,
    pub(super) sent_bytes: f64,
}

impl Rates {
    /// What passed since `before`, each second. `None` where counters went back: they began anew, and since when nobody
    /// knows.
    pub(super) fn since(before: &Sample, now: Instant, counters: &Counters) -> Option<Self> {
        let took = now.duration_since(before.at);
        let rate = |of: fn(&Counters) -> u64, own: u64| {
            let passed = of(counters).checked_sub(of(&before.counters))?;
            per_second(passed.saturating_sub(own), took)
        };
        // A ping of no bytes and its answer are one record each way.
        Some(Rates {
            received: rate(|counters| counters.received, before.pings)?,
            received_bytes: rate(|counters| counters.received_bytes, 0)?,
            sent: rate(|counters| counters.sent, before.pings)?,
            sent_bytes: rate(|counters| counters.sent_bytes, 0)?,
        })
    }
}

/// To a thousandth, which is more than the clock is good for.
fn per_second(count: u64, took: Duration) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    let count = count as f64;
    let rate = (count / took.as_secs_f64() * 1000.0).round() / 1000.0;
    rate.is_finite().then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(received: u64, received_bytes: u64, sent: u64, sent_bytes: u64) -> Counters {
        Counters { received, received_bytes, sent, sent_bytes, ..Counters::default() }
    }

    fn since(before: Counters, pings: u64, millis: u64, now: Counters) -> Option<[f64; 4]> {
        let at = Instant::now();
        let sample = Sample { at, counters: before, pings };
        Rates::since(&sample, at + Duration::from_millis(millis), &now)
            .map(|rates| [rates.received, rates.received_bytes, rates.sent, rates.sent_bytes])
    }

    #[test]
    fn what_passed_is_divided_by_the_time_it_took() {
        let now = counters(15, 4096, 1, 30);
        assert_eq!(since(counters(10, 0, 1, 10), 0, 2000, now), Some([2.5, 2048.0, 0.0, 10.0]));
        assert_eq!(since(now, 0, 300, now), Some([0.0; 4]));
        assert_eq!(since(counters(14, 4096, 0, 30), 0, 3000, now), Some([0.333, 0.0, 0.333, 0.0]));
        assert_eq!(since(now, 0, 0, now), None, "no time has passed");
    }

    #[test]
    fn own_pings_do_not_count() {
        assert_eq!(since(counters(0, 0, 0, 0), 1, 1000, counters(1, 0, 3, 7)), Some([0.0, 0.0, 2.0, 7.0]));
        // A message that was counted twice is less than one too few of a large number.
        assert_eq!(since(counters(0, 0, 0, 0), 9, 1000, counters(1, 0, 3, 0)), Some([0.0; 4]));
    }

    #[test]
    fn a_counter_that_went_back_has_no_rate() {
        let before = counters(5, 5, 5, 5);
        for now in [counters(4, 9, 9, 9), counters(9, 4, 9, 9), counters(9, 9, 4, 9), counters(9, 9, 9, 4)] {
            assert_eq!(since(before, 0, 1000, now), None, "{now:?}");
        }
    }
}
