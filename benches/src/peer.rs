//! What a peer does: carries messages from one core to another, and copies them in and out.

use serde::{Deserialize, Serialize};

use crate::{cord::Cord, failure::Failure, messages::Batch};

/// Which of the two sides of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// Has the clock: receives what goes one way, and begins each round trip.
    Driver,
    /// Sends what goes one way, and answers.
    Partner,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Length of every message in bytes.
    pub(crate) length: usize,
    /// Bytes that may be on their way, in each direction.
    pub(crate) capacity: usize,
}

impl Shape {
    /// The same capacity for everybody: 256 KiB, and 1 MiB for messages that are a quarter of that.
    pub(crate) fn new(length: usize) -> Self {
        let capacity = if length < 64 * 1024 { 256 * 1024 } else { 1024 * 1024 };
        Self { length, capacity }
    }

    /// How many messages a batched sender publishes at once: at least 16 and at least a page, but no more than 64 KiB.
    pub(crate) fn batch(&self) -> usize {
        (4096 / self.length).max(16).min(64 * 1024 / self.length).max(1)
    }
}

/// The end that sends.
pub(crate) trait Sender {
    /// Sends all messages of the batch in their order; waits for room. They need not be on their way before
    /// [`flush`](Self::flush).
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure>;

    /// Sends what is kept back, if this peer does that.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The end that receives.
pub(crate) trait Receiver {
    /// Waits for a message, copies it to private memory, and hands it over; then those that arrived with it.
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure>;
}

/// A peer whose sides are two processes.
pub(crate) trait Apart {
    /// Connects with the other side, which calls this at the same time.
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure>;
}

/// A peer whose sides are two threads of one process.
pub(crate) trait Together {
    /// Makes one direction of a connection.
    fn direction(shape: Shape) -> Result<(impl Sender + Send, impl Receiver + Send), Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_page_or_sixteen_messages_and_fits_the_ring_twice() {
        let batches = [8, 64, 256, 1024, 4096, 65536].map(|length| Shape::new(length).batch());
        assert_eq!(batches, [512, 64, 16, 16, 16, 1]);
    }
}
