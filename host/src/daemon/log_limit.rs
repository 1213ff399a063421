//! How often a guest is heard in the log: whatever it does, a line of each kind a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_proto::session::Identity;

/// Time between two lines of one guest and kind.
const GAP: Duration = Duration::from_secs(1);
/// Guests and kinds that are counted apart. Names cost a hostile guest nothing: beyond this all share one count.
const MOST: usize = 1024;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
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

#[derive(Debug, Clone, Copy)]
struct Told {
    last: Instant,
    suppressed: u64,
}

/// Counts the lines about guests.
#[derive(Debug, Default)]
pub(super) struct LogLimit(HashMap<(Option<Identity>, Kind), Told>);

impl LogLimit {
    /// Whether a line may be written now, and how many before it were not.
    pub(super) fn allows(
        &mut self,
        guest: Option<&Identity>,
        kind: Kind,
        now: Instant,
    ) -> Option<Suppressed> {
        let mut key = (guest.copied(), kind);
        if !self.0.contains_key(&key) && self.0.len() >= MOST {
            self.0.retain(|_, told| now.duration_since(told.last) < GAP || told.suppressed > 0);
            if self.0.len() >= MOST {
                key.0 = None;
            }
        }
        let Some(told) = self.0.get_mut(&key) else {
            self.0.insert(key, Told { last: now, suppressed: 0 });
            return Some(Suppressed(0));
        };
        if now.duration_since(told.last) < GAP {
            told.suppressed += 1;
            return None;
        }
        told.last = now;
        Some(Suppressed(std::mem::take(&mut told.suppressed)))
    }
}

/// Lines that were not written, as the next one mentions them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suppressed(u64);

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

    fn guest(number: u128) -> Identity {
        Identity { uuid: Uuid::from_u128(number), port: Port::agent() }
    }

    #[test]
    fn one_line_a_second_for_each_guest_and_kind() {
        let mut limit = LogLimit::default();
        let start = Instant::now();
        let (a, b) = (guest(1), guest(2));
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start), Some(Suppressed(0)));
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start), None);
        assert_eq!(limit.allows(Some(&a), Kind::Back, start), Some(Suppressed(0)));
        assert_eq!(limit.allows(Some(&b), Kind::Stale, start), Some(Suppressed(0)));
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start + GAP / 2), None);
        let line = limit.allows(Some(&a), Kind::Stale, start + GAP).unwrap();
        assert_eq!(line.to_string(), " (2 lines like this were left out)");
        assert_eq!(limit.allows(Some(&a), Kind::Stale, start + GAP * 2).unwrap().to_string(), "");
    }

    #[test]
    fn ever_new_names_cost_bounded_memory_and_lines() {
        let mut limit = LogLimit::default();
        let start = Instant::now();
        let lines = (0..100_000_u128)
            .filter(|&number| limit.allows(Some(&guest(number)), Kind::Refused, start).is_some())
            .count();
        assert_eq!(lines, MOST + 1);
        assert!(limit.0.len() <= MOST + 1);
        assert!(
            limit.allows(Some(&guest(200_000)), Kind::Refused, start + GAP).is_some(),
            "old names make room"
        );
    }
}
