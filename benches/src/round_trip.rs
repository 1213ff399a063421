//! A message there and one back.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    messages::{Arrived, Pool},
    peer::{Receiver, Sender, Shape},
    statistics::median,
};

/// Round trips between two looks at the clock, where single ones do not matter.
const BLOCK: u32 = 64;
/// The longest that is told apart, in nanoseconds.
const LONGEST: u64 = 10_000_000_000;

/// Times of round trips, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundTrips {
    /// The usual one: the median of the means of 64, without the time it takes to read the clock.
    pub usual_ns: f64,
    /// Half of them took no longer. This and the next two include the reading of the clock.
    pub p50_ns: u64,
    /// 99 of a hundred took no longer.
    pub p99_ns: u64,
    /// 999 of a thousand took no longer.
    pub p999_ns: u64,
    /// How many were timed one by one.
    pub count: u64,
}

/// Times what `bounce` does: for `warm_up`, then in blocks for half of `measured`, then one by one for the other half.
pub(crate) fn time(
    warm_up: Duration,
    measured: Duration,
    mut bounce: impl FnMut() -> Result<(), Failure>,
) -> Result<RoundTrips, Failure> {
    let start = Instant::now();
    while start.elapsed() < warm_up {
        bounce()?;
    }
    let start = Instant::now();
    let mut blocks = Vec::new();
    while start.elapsed() < measured / 2 {
        let begun = Instant::now();
        for _ in 0..BLOCK {
            bounce()?;
        }
        blocks.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(BLOCK));
    }
    // Three digits of any time up to ten seconds: nothing it refuses.
    let mut single = Histogram::<u32>::new_with_max(LONGEST, 3).expect("the limits are legal");
    let start = Instant::now();
    let mut begun = start;
    while begun - start < measured / 2 {
        bounce()?;
        let end = Instant::now();
        single.saturating_record(u64::try_from((end - begun).as_nanos()).unwrap_or(u64::MAX));
        begun = end;
    }
    Ok(RoundTrips {
        usual_ns: median(&mut blocks).unwrap_or(f64::NAN),
        p50_ns: single.value_at_quantile(0.5),
        p99_ns: single.value_at_quantile(0.99),
        p999_ns: single.value_at_quantile(0.999),
        count: single.len(),
    })
}

/// Sends messages and waits for the answer to each.
pub(crate) fn drive(
    (sender, receiver): (&mut impl Sender, &mut impl Receiver),
    shape: Shape,
    warm_up: Duration,
    measured: Duration,
) -> Result<RoundTrips, Failure> {
    let pool = Pool::new(shape.length);
    let (mut outbox, mut inbox) = (pool.outbox(), pool.inbox());
    let times = time(warm_up, measured, || {
        sender.send(outbox.batch(1))?;
        sender.flush()?;
        receiver.receive(&mut |message| inbox.check(message).map(drop))
    })?;
    sender.send(outbox.end())?;
    sender.flush()?;
    Ok(times)
}

/// Answers each message with one of the same content.
pub(crate) fn answer(
    (sender, receiver): (&mut impl Sender, &mut impl Receiver),
    shape: Shape,
) -> Result<(), Failure> {
    let pool = Pool::new(shape.length);
    let (mut outbox, mut inbox) = (pool.outbox(), pool.inbox());
    loop {
        let mut arrived = Arrived::Message;
        receiver.receive(&mut |message| {
            arrived = inbox.check(message)?;
            Ok(())
        })?;
        if arrived == Arrived::End {
            return Ok(());
        }
        sender.send(outbox.batch(1))?;
        sender.flush()?;
    }
}
