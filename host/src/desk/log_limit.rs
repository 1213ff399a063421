//! How often a guest is heard in the log: whatever it does, a few lines of each kind at once, then one a second.

use std::collections::HashMap;
use std::time::Instant;

use ivring_proto::console::LogBudget;
use ivring_proto::session::Identity;

/// Lines of one guest and kind that may come at once: an agent that is restarted a few times is told each time.
const BURST: u32 = 5;
/// Guests and kinds that are counted apart. Names cost a hostile guest nothing: beyond this all share one count.
const MOST: usize = 1024;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Attached,
    Detached,
    Stale,
    Back,
    Undelivered,
    Refused,
    Fault,
    SecondWriter,
    Answer,
}

/// Counts the lines about guests.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(HashMap<(Option<Identity>, Kind), LogBudget>);

impl LogLimit {
    /// Whether a line may be written now, and how many before it were not.
    pub(crate) fn allows(
        &mut self,
        guest: Option<&Identity>,
        kind: Kind,
        now: Instant,
    ) -> Option<Suppressed> {
        let mut key = (guest.copied(), kind);
        if !self.0.contains_key(&key) && self.0.len() >= MOST {
            self.0.retain(|_, budget| !budget.is_full(now));
            if self.0.len() >= MOST {
                key.0 = None;
            }
        }
        self.0.entry(key).or_insert_with(|| LogBudget::new(BURST, now)).take(now).map(Suppressed)
    }
}

/// Lines that were not written, as the next one mentions them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suppressed(u64);

impl std::fmt::Display for Suppressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({count} lines like this were left out)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ivring_proto::session::{Port, Uuid};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn guest(number: u128) -> Identity {
        Identity { uuid: Uuid::from_u128(number), port: Port::agent() }
    }

    #[test]
    fn a_few_lines_and_then_one_a_second_for_each_guest_and_kind() {
        let mut limit = LogLimit::default();
        let start = Instant::now();
        let (a, b) = (guest(1), guest(2));
        for _ in 0..BURST {
            assert_eq!(limit.allows(Some(&a), Kind::Stale, start), Some(Suppressed(0)));
        }
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start), None);
        assert_eq!(limit.allows(Some(&a), Kind::Back, start), Some(Suppressed(0)));
        assert_eq!(limit.allows(Some(&b), Kind::Stale, start), Some(Suppressed(0)));
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start + SECOND / 2), None);
        let line = limit.allows(Some(&a), Kind::Stale, start + SECOND).unwrap();
        assert_eq!(line.to_string(), " (2 lines like this were left out)");
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start + SECOND * 2).unwrap().to_string(), "");
    }

    #[test]
    fn ever_new_names_cost_bounded_memory_and_lines() {
        let mut limit = LogLimit::default();
        let start = Instant::now();
        let lines = (0..100_000_u128)
            .filter(|&number| limit.allows(Some(&guest(number)), Kind::Refused, start).is_some())
            .count();
        assert_eq!(u32::try_from(lines - MOST).unwrap(), BURST);
        assert!(limit.0.len() <= MOST + 1);
        assert!(
            limit.allows(Some(&guest(200_000)), Kind::Refused, start + SECOND).is_some(),
            "old names make room"
        );
    }
}
