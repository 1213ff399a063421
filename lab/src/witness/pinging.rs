//! Pings while other things go on.

use std::io;
use std::time::{Duration, Instant};

use super::journal::Journal;
use super::side::Side;

/// A ping is sent this long after the one before, or when that was answered.
const PACE: Duration = Duration::from_millis(1);
/// How long a ping may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pings to one peer, one after the other.
#[derive(Debug)]
pub(super) struct Pings {
    open: Option<u64>,
    next: Instant,
    answered: u64,
    longest: Duration,
}

impl Pings {
    pub(super) fn new() -> Self {
        Self { open: None, next: Instant::now(), answered: 0, longest: Duration::ZERO }
    }

    /// Sends the next one when it is time.
    pub(super) fn step(&mut self, side: &mut impl Side) -> io::Result<()> {
        if self.open.is_none() && Instant::now() >= self.next {
            self.next = Instant::now() + PACE;
            self.open = side.ping(PATIENCE)?;
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, id: u64, round_trip: Duration) {
        if self.open.take_if(|open| *open == id).is_some() {
            self.answered += 1;
            self.longest = self.longest.max(round_trip);
        }
    }

    /// One will not be answered. True when it was a ping.
    pub(super) fn ended(&mut self, id: u64) -> bool {
        self.open.take_if(|open| *open == id).is_some()
    }

    /// Notes how many were answered since this was noted last, and how long the slowest took.
    pub(super) fn note(&mut self, peer: &str, journal: &mut Journal) -> io::Result<()> {
        let (answered, longest) = (std::mem::take(&mut self.answered), std::mem::take(&mut self.longest));
        journal.event(peer, "pings", format!("{answered} answered, the slowest after {longest:?}"))
    }
}
