//! How often guests are heard in the log: whatever one does, a few lines of each kind at once, then one a second; and
//! whatever all of them do under ever new names, some hundreds, then one a second.

use std::collections::HashMap;
use std::time::Instant;

use ivring_proto::console::LogBudget;
use ivring_proto::session::Identity;

/// Lines of one guest and kind that may come at once: an agent that is restarted a few times is told each time.
const BURST: u32 = 5;
/// Lines of all guests and one kind that may come at once: every guest of a region that is full may attach together.
const BURST_OF_ALL: u32 = 300;
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
    SuperblockMended,
    Answer,
}

/// Counts the lines about guests.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    of_guests: HashMap<(Option<Identity>, Kind), LogBudget>,
    of_all: HashMap<Kind, LogBudget>,
}

impl LogLimit {
    /// Whether a line may be written now, and how many before it were not.
    pub(crate) fn allows(
        &mut self,
        guest: Option<&Identity>,
        kind: Kind,
        now: Instant,
    ) -> Option<Suppressed> {
        let mut key = (guest.copied(), kind);
        if !self.of_guests.contains_key(&key) && self.of_guests.len() >= MOST {
            self.of_guests.retain(|_, budget| !budget.is_full(now));
            if self.of_guests.len() >= MOST {
                key.0 = None;
            }
        }
        let of_guest = self.of_guests.entry(key).or_insert_with(|| LogBudget::new(BURST, now)).take(now)?;
        let of_all = self.of_all.entry(kind).or_insert_with(|| LogBudget::new(BURST_OF_ALL, now));
        let Some(left_out) = of_all.take(now) else {
            of_all.leave_out(of_guest);
            return None;
        };
        Some(Suppressed(of_guest + left_out))
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
        let mut refused = |numbers: std::ops::Range<u128>, now| {
            let told = |&number: &u128| limit.allows(Some(&guest(number)), Kind::Refused, now).is_some();
            u32::try_from(numbers.filter(told).count()).unwrap()
        };
        assert_eq!(refused(0..100_000, start), BURST_OF_ALL);
        assert_eq!(refused(0..100_000, start + SECOND), 1);
        assert!(limit.of_guests.len() <= MOST + 1);
        assert!(limit.allows(Some(&guest(1)), Kind::Fault, start).is_some(), "other kinds are told");
        let line = limit.allows(Some(&guest(200_000)), Kind::Refused, start + SECOND * 2).unwrap();
        assert!(line.to_string().contains("lines like this were left out"), "old names make room");
    }
}
