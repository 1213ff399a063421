//! A raw line between two cores: what a round trip costs before anybody adds a protocol, and how far apart the cores are.

use std::time::{Duration, Instant};

use ivring_proto::{layout::LINE, memory::Memory};

use crate::{failure::Failure, patience::Patience};

/// Set in the number that ends a series.
const STOP: u64 = 1 << 63;
/// Round trips between two looks at the clock.
const BLOCK: u32 = 16;

/// Where the numbers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Both numbers in one line.
    One,
    /// A line a direction.
    Two,
}

/// One side of a number that goes to and fro.
#[derive(Debug)]
pub(crate) struct Bounce<M> {
    memory: M,
    back: u64,
    number: u64,
}

impl<M: Memory> Bounce<M> {
    /// Both sides begin with two lines of memory that are zero.
    pub(crate) fn new(memory: M, lines: Lines) -> Self {
        let back = if lines == Lines::One { 8 } else { LINE };
        Self { memory, back, number: 0 }
    }

    /// One round trip.
    #[inline]
    pub(crate) fn there_and_back(&mut self) -> Result<(), Failure> {
        self.number += 1;
        self.send(self.number)
    }

    /// Sends a number and waits until it is back, without the mark that ends a series.
    #[inline]
    fn send(&mut self, number: u64) -> Result<(), Failure> {
        self.memory.store_release(0, number);
        let mut waiting = Patience::default();
        while self.memory.load_acquire(self.back) != self.number {
            waiting.pause()?;
        }
        Ok(())
    }

    /// Ends the series, for [`follow`](Self::follow) on the other side.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        self.number += 1;
        self.send(self.number | STOP)
    }

    /// Sends back what comes, until the series ends.
    pub(crate) fn follow(&mut self) -> Result<(), Failure> {
        loop {
            self.number += 1;
            let mut waiting = Patience::default();
            let number = loop {
                let number = self.memory.load_acquire(0);
                if number & !STOP == self.number {
                    break number;
                }
                waiting.pause()?;
            };
            self.memory.store_release(self.back, self.number);
            if number & STOP != 0 {
                return Ok(());
            }
        }
    }

    /// The best round trip in a series of `length`, in nanoseconds: cores are not nearer than they are, but anything can
    /// hold up a message.
    pub(crate) fn probe(&mut self, length: Duration) -> Result<f64, Failure> {
        let start = Instant::now();
        let mut best = f64::INFINITY;
        while start.elapsed() < length {
            let begun = Instant::now();
            for _ in 0..BLOCK {
                self.there_and_back()?;
            }
            best = best.min(begun.elapsed().as_secs_f64() * 1e9 / f64::from(BLOCK));
        }
        self.stop()?;
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ivring_proto::memory::HeapMemory;

    use super::*;

    #[test]
    fn numbers_come_back_series_after_series() {
        for lines in [Lines::One, Lines::Two] {
            let memory = HeapMemory::new(256);
            let mut other = Bounce::new(memory.clone(), lines);
            let mut bounce = Bounce::new(memory, lines);
            thread::scope(|scope| {
                scope.spawn(move || {
                    other.follow().unwrap();
                    other.follow().unwrap();
                });
                for _ in 0..100 {
                    bounce.there_and_back().unwrap();
                }
                bounce.stop().unwrap();
                let best = bounce.probe(Duration::from_millis(1)).unwrap();
                assert!(best > 0.0 && best.is_finite());
            });
        }
    }
}
