//! How many log lines the host can cause.

use std::time::{Duration, Instant};

/// Lines that may come at once.
const BURST: u32 = 20;
/// Time in which one more line is earned.
const EARN: Duration = Duration::from_secs(1);

/// A budget of log lines, so that a host gone wild doesn't fill the disk.
#[derive(Debug)]
pub(super) struct LogBudget {
    lines: u32,
    earned: Instant,
    left_out: u64,
}

impl LogBudget {
    pub(super) fn new(now: Instant) -> Self {
        LogBudget { lines: BURST, earned: now, left_out: 0 }
    }

    /// Takes one line from the budget, if there is one: the number of lines left out since the last, which the caller
    /// should tell when it isn't 0.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        while self.lines < BURST && now.saturating_duration_since(self.earned) >= EARN {
            self.lines += 1;
            self.earned += EARN;
        }
        if self.lines == 0 {
            self.left_out += 1;
            return None;
        }
        if self.lines == BURST {
            self.earned = now;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_line_a_second() {
        let start = Instant::now();
        let mut budget = LogBudget::new(start);
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
        let mut budget = LogBudget::new(start);
        assert_eq!(budget.take(start), Some(0));
        let later = start + EARN * 1000;
        let taken = (0..BURST + 5).filter(|_| budget.take(later).is_some()).count();
        assert_eq!(taken, BURST as usize);
    }
}
