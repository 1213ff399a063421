//! Round trips between daemon and agent.

use ivring_proto::control::{Client, Pong, Request, Target};

use crate::Error;
use crate::daemon::failed;

/// How many are measured, one after the other.
pub(super) const COUNT: usize = 1000;
/// The payload that travels both ways, in bytes.
pub(super) const BYTES: u32 = 56;
/// How long to wait for one, in milliseconds.
const TIMEOUT_MS: u32 = 5_000;

/// Percentiles of the times from the daemon's push to its receipt of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoundTrips {
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
}

/// Pings a guest.
pub(super) fn measure(daemon: &mut Client, target: &Target) -> Result<RoundTrips, Error> {
    let request = Request::Ping { target: target.clone(), bytes: BYTES, timeout_ms: TIMEOUT_MS };
    let mut times = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let (response, _) = daemon.call(&request, &[]).map_err(failed("ping"))?;
        let pong: Pong = response.payload().map_err(|error| {
            Error::Failed(format!("ivringd answered a ping with something else: {error}"))
        })?;
        times.push(pong.round_trip_ns);
    }
    Ok(of(times))
}

fn of(mut times: Vec<u64>) -> RoundTrips {
    times.sort_unstable();
    let percentile = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    RoundTrips { p50_ns: percentile(50), p99_ns: percentile(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        assert_eq!(of((0..1000).rev().collect()), RoundTrips { p50_ns: 500, p99_ns: 990 });
        assert_eq!(of(vec![7]), RoundTrips { p50_ns: 7, p99_ns: 7 });
    }
}
