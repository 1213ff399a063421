//! `ivring ping`.

use std::time::Duration;

use ivring_proto::console::{Endpoint, Failure, Output, milliseconds, shown};
use ivring_proto::control::{ClientError, Code, Pong, Request};
use serde::Serialize;

use super::options::Ping;
use super::target;
use ivring_proto::console::amount::time;

/// What `--json` prints at the end.
#[derive(Debug, Serialize)]
struct Report<'a> {
    guest: &'a str,
    bytes: u64,
    sent: u32,
    answered: usize,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
    /// Every round trip that was answered, in order.
    round_trips_ns: &'a [u64],
}

/// Round trips in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Summary {
    min_ns: u64,
    p50_ns: u64,
    p99_ns: u64,
    max_ns: u64,
}

impl Summary {
    /// `None` without any round trip.
    fn of(round_trips: &[u64]) -> Option<Self> {
        let mut sorted = round_trips.to_vec();
        sorted.sort_unstable();
        // The smallest value that so many percent of all do not exceed (nearest rank).
        let percentile = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        let (&min_ns, &max_ns) = (sorted.first()?, sorted.last()?);
        Some(Summary { min_ns, p50_ns: percentile(50), p99_ns: percentile(99), max_ns })
    }
}

/// Measures round trips to a guest, one after the other.
pub(super) fn ping(ping: &Ping, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let mut client = daemon.connect()?;
    let bytes = u32::try_from(ping.bytes).map_err(|_| {
        Failure::new(Code::BadInput, format!("--bytes {} is more than fits any ring", ping.bytes))
    })?;
    let request = Request::Ping {
        target: target(&ping.guest, &ping.region),
        bytes,
        timeout_ms: milliseconds(ping.timeout),
    };
    let mut round_trips = Vec::new();
    for number in 1..=ping.count {
        if number > 1 {
            std::thread::sleep(ping.interval);
        }
        match client.call(&request, &[]) {
            Ok((response, _)) => {
                let pong: Pong = daemon.payload(&response)?;
                round_trips.push(pong.round_trip_ns);
                if !out.json {
                    let took = time(Duration::from_nanos(pong.round_trip_ns));
                    out.line(format_args!("{bytes} bytes from {}: seq={number} time={took}", ping.guest))?;
                }
            }
            // One that is lost among others is counted, and said.
            Err(ClientError::Refused { code: Code::Negative, text, .. }) if number > 1 => {
                tracing::warn!("seq={number}: {}", shown(&text));
            }
            Err(error) => return Err(error.into()),
        }
    }
    report(ping, &round_trips, out)?;
    let all = usize::try_from(ping.count).is_ok_and(|count| count == round_trips.len());
    if all { Ok(()) } else { Err(Failure::Silent(Code::Negative)) }
}

fn report(ping: &Ping, round_trips: &[u64], out: &mut Output) -> Result<(), Failure> {
    let answered = round_trips.len();
    let summary = Summary::of(round_trips);
    if out.json {
        let Ping { guest, bytes, count, .. } = ping;
        return out.json(&Report {
            guest,
            bytes: *bytes,
            sent: *count,
            answered,
            summary,
            round_trips_ns: round_trips,
        });
    }
    let mut line = format!("{} sent, {answered} answered", ping.count);
    if let Some(Summary { min_ns, p50_ns, p99_ns, max_ns }) = summary {
        for (name, nanos) in [("min", min_ns), ("p50", p50_ns), ("p99", p99_ns), ("max", max_ns)] {
            line += &format!(", {name} {}", time(Duration::from_nanos(nanos)));
        }
    }
    out.line(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(Summary::of(&[]), None);
        let one = Summary { min_ns: 7, p50_ns: 7, p99_ns: 7, max_ns: 7 };
        assert_eq!(Summary::of(&[7]), Some(one));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let summary = Summary { min_ns: 1, p50_ns: 50, p99_ns: 99, max_ns: 100 };
        assert_eq!(Summary::of(&hundred), Some(summary));
        assert_eq!(Summary::of(&[1, 2, 3]).unwrap().p99_ns, 3);
    }
}
