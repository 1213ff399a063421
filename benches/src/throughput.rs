//! Messages one way, as fast as they go.

use std::time::{Duration, Instant};

use crate::{
    failure::Failure,
    messages::{Arrived, Pool},
    peer::{Receiver, Sender, Shape},
};

/// Messages between two looks at the clock, where they are small.
const MESSAGES: usize = 1024;
/// Bytes between two looks at the clock, where they are large.
const BYTES: usize = 1024 * 1024;

/// Sends for `warm_up`, then for `measured`.
pub(crate) fn send(
    sender: &mut impl Sender,
    shape: Shape,
    warm_up: Duration,
    measured: Duration,
) -> Result<(), Failure> {
    let pool = Pool::new(shape.length);
    let mut outbox = pool.outbox();
    let batch = shape.batch();
    let batches = (MESSAGES.min(BYTES / shape.length) / batch).max(1);
    for (phase, last) in [(warm_up, outbox.begin()), (measured, outbox.end())] {
        let start = Instant::now();
        while start.elapsed() < phase {
            for _ in 0..batches {
                sender.send(outbox.batch(batch))?;
            }
        }
        sender.send(last)?;
    }
    sender.flush()
}

/// Receives all of it; returns how many messages counted, and nanoseconds for each.
pub(crate) fn receive(receiver: &mut impl Receiver, shape: Shape) -> Result<(u64, f64), Failure> {
    let pool = Pool::new(shape.length);
    let mut inbox = pool.inbox();
    let mut begun = None;
    let mut ended = None;
    while ended.is_none() {
        receiver.receive(&mut |message| {
            match inbox.check(message)? {
                Arrived::Message => {}
                Arrived::Begin => begun = Some((Instant::now(), inbox.count())),
                Arrived::End => ended = Some((Instant::now(), inbox.count())),
            }
            Ok(())
        })?;
    }
    let (Some((start, before)), Some((end, after))) = (begun, ended) else {
        return Err(Failure::Wrong {
            number: inbox.count(),
            what: "they ended before they began".to_owned(),
        });
    };
    let count = after - before;
    // Far fewer than 2^52.
    #[expect(clippy::cast_precision_loss, reason = "no count of messages is so large")]
    Ok((count, (end - start).as_secs_f64() * 1e9 / count.max(1) as f64))
}
