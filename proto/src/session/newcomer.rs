//! An owner of a channel none of whose programs was ever there.

use super::BEAT;
use core::time::Duration;

/// How long it is waited for since it last asked. A guest takes what it is offered at its next look.
const LIMIT: Duration = Duration::from_secs(10);

/// Somebody new was offered a channel, and has not taken it yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Newcomer {
    waited: Duration,
    looked: Option<Duration>,
}

impl Newcomer {
    /// One more look: whether it does not come any more. Time in which the host itself was suspended does not count.
    pub(super) fn does_not_come(&mut self, now: Duration) -> bool {
        let gap = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked));
        self.looked = Some(now);
        self.waited = self.waited.saturating_add(gap.min(BEAT));
        self.waited >= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_suspended_goes_on_waiting() {
        let mut newcomer = Newcomer::default();
        assert!(!newcomer.does_not_come(Duration::from_secs(100)));
        assert!(!newcomer.does_not_come(Duration::from_secs(9_000)));
        for second in 9_001..9_009 {
            assert!(!newcomer.does_not_come(Duration::from_secs(second)));
        }
        assert!(newcomer.does_not_come(Duration::from_secs(9_009)));
    }
}
