//! How many log lines the other side can cause.

use std::time::{Duration, Instant};

/// Time in which one more line is earned.
const EARN: Duration = Duration::from_secs(1);

/// A budget of log lines, so that a peer gone wild doesn't fill the disk: a burst at once, then one line a second.
#[derive(Debug)]
pub struct LogBudget {
    burst: u32,
    lines: u32,
    earned: Instant,
    left_out: u64,
}

impl LogBudget {
    /// A full budget: `burst` lines may come at once.
    pub fn new(burst: u32, now: Instant) -> Self {
        LogBudget { burst, lines: burst, earned: now, left_out: 0 }
    }

    /// Takes one line from the budget, if there is one: the number of lines left out since the last, which the caller
    /// should tell when it isn't 0.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        self.earn(now);
        if self.lines == 0 {
            self.left_out += 1;
            return None;
        }
        if self.lines == self.burst {
            self.earned = now;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.left_out))
    }

    /// So many more lines were left out than this budget saw.
    pub fn leave_out(&mut self, lines: u64) {
        self.left_out += lines;
    }

    /// True when it is no different from a new one.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.earn(now);
        self.lines == self.burst && self.left_out == 0
    }

    fn earn(&mut self, now: Instant) {
        while self.lines < self.burst && now.saturating_duration_since(self.earned) >= EARN {
            self.lines += 1;
            self.earned += EARN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: u32 = 20;

    #[test]
    fn a_burst_is_let_through_and_then_one_line_a_second() {
        let start = Instant::now();
        let mut budget = LogBudget::new(BURST, start);
        for _ in 0..BURST {
            assert_eq!(budget.take(start), Some(0));
        }
        assert_eq!(budget.take(start), None);
        assert_eq!(budget.take(start + EARN / 2), None);
        assert_eq!(budget.take(start + EARN), Some(2));
        assert_eq!(budget.take(start + EARN), None);
    }

    #[test]
    fn silence_fills_it_up_to_the_burst_and_no_further() {
        let start = Instant::now();
        let mut budget = LogBudget::new(BURST, start);
        assert_eq!(budget.take(start), Some(0));
        let later = start + EARN * 1000;
        assert!(!budget.is_full(start) && budget.is_full(later));
        let taken = (0..BURST + 5).filter(|_| budget.take(later).is_some()).count();
        assert_eq!(u32::try_from(taken).unwrap(), BURST);
        assert!(!budget.is_full(later + EARN * 1000), "there is something left to tell");
    }
}
