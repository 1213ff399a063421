//! Who wrote what cannot be right, and who was refused: kept over sessions, so that it can be seen after the guest has joined
//! anew, or when it never could.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_proto::session::Identity;

/// Guests that are remembered. Names cost a hostile guest nothing: beyond this the oldest fault is forgotten.
const MOST: usize = 1024;

/// What a guest wrote that cannot be right, over all its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestFaults {
    /// How often: each time its session was closed.
    pub count: u64,
    /// The last time, if there was any.
    pub last: Option<LastTime>,
}

/// When something went wrong the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTime {
    /// What was wrong, with the numbers; words of a guest may be in it.
    pub reason: String,
    /// How long ago that was.
    pub ago: Duration,
}

#[derive(Debug)]
struct Record {
    count: u64,
    reason: String,
    at: Instant,
}

/// Requests to join a region that were refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// The last one, if there was any: who asked, and why it was refused.
    pub last: Option<LastTime>,
}

/// The faults of a region's guests since its host was opened.
#[derive(Debug, Default)]
pub(super) struct Faults {
    records: HashMap<Identity, Record>,
    count: u64,
}

impl Faults {
    /// Remembers a fault.
    pub(super) fn note(&mut self, guest: &Identity, reason: String, at: Instant) {
        self.count += 1;
        if let Some(record) = self.records.get_mut(guest) {
            *record = Record { count: record.count + 1, reason, at };
            return;
        }
        if self.records.len() >= MOST
            && let Some(oldest) =
                self.records.iter().min_by_key(|(_, record)| record.at).map(|(guest, _)| *guest)
        {
            self.records.remove(&oldest);
        }
        self.records.insert(*guest, Record { count: 1, reason, at });
    }

    /// Those of one guest.
    pub(super) fn of(&self, guest: &Identity, now: Instant) -> GuestFaults {
        self.records.get(guest).map_or_else(GuestFaults::default, |record| GuestFaults {
            count: record.count,
            last: Some(LastTime {
                reason: record.reason.clone(),
                ago: now.saturating_duration_since(record.at),
            }),
        })
    }

    /// Those of all guests, also of ones that are forgotten.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

/// Requests to join that were refused since the host was opened.
#[derive(Debug, Default)]
pub(super) struct Refused {
    count: u64,
    last: Option<(String, Instant)>,
}

impl Refused {
    /// Remembers one: who asked, and why it was refused.
    pub(super) fn note(&mut self, reason: String, at: Instant) {
        self.count += 1;
        self.last = Some((reason, at));
    }

    /// All of them, and the last.
    pub(super) fn all(&self, now: Instant) -> Refusals {
        let last = self
            .last
            .as_ref()
            .map(|(reason, at)| LastTime { reason: reason.clone(), ago: now.saturating_duration_since(*at) });
        Refusals { count: self.count, last }
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
    fn the_last_one_is_told_and_all_are_counted() {
        let mut faults = Faults::default();
        let start = Instant::now();
        faults.note(&guest(1), "first".into(), start);
        faults.note(&guest(1), "second".into(), start + Duration::from_secs(1));
        let of = faults.of(&guest(1), start + Duration::from_secs(3));
        let last = LastTime { reason: "second".into(), ago: Duration::from_secs(2) };
        assert_eq!(of, GuestFaults { count: 2, last: Some(last) });
        assert_eq!(faults.of(&guest(2), start), GuestFaults::default());
        assert_eq!(faults.count(), 2);
    }

    #[test]
    fn ever_new_names_cost_bounded_memory() {
        let mut faults = Faults::default();
        let start = Instant::now();
        for number in 0..MOST as u128 * 2 {
            let at = start + Duration::from_millis(u64::try_from(number).unwrap());
            faults.note(&guest(number), "x".into(), at);
        }
        assert_eq!((faults.records.len(), faults.count()), (MOST, MOST as u64 * 2));
        assert_eq!(faults.of(&guest(0), start).count, 0, "the oldest is forgotten");
        assert_eq!(faults.of(&guest(MOST as u128 * 2 - 1), start).count, 1);
    }
}
