//! The memory types of guests' mappings: a column, and what to do where one is slow.

use ivring_proto::session::Caching;

use super::super::table::Align;
use crate::listing::{Guest, Memory, Type};

/// The column, where any guest says how it has mapped the region.
pub(super) fn column(guests: &[Guest]) -> Option<(&'static str, Align)> {
    guests.iter().any(|guest| guest.memory.is_some()).then_some(("MEMORY", Align::Left))
}

/// What stands in it.
pub(super) fn cell(guest: &Guest) -> String {
    guest.memory.map_or_else(|| "-".to_owned(), |memory| Caching::from(memory).to_string())
}

/// A line for each kind of memory that is slower than it could be, or that makes figures worthless.
pub(super) fn remedies(guests: &[Guest]) -> Vec<String> {
    let count = |is: fn(Memory) -> bool| {
        guests.iter().filter_map(|guest| guest.memory).filter(|one| is(*one)).count()
    };
    let lines = [
        (
            "emulated",
            count(|memory| memory.emulated),
            "an emulator knows no memory types: figures of VMs under KVM differ",
        ),
        (
            "write-combining",
            count(|memory| memory.memory_type == Type::WriteCombining && !memory.emulated),
            "slow to read; an AMD host gives nothing better, an Intel host does without passed-through devices",
        ),
        (
            "uncached",
            count(|memory| memory.memory_type == Type::Uncached && !memory.emulated),
            "the slowest there is; `ivring-agent status` in the guest says why",
        ),
    ];
    let told = lines.into_iter().filter(|(_, guests, _)| *guests > 0);
    told.map(|(kind, guests, what)| format!("memory {kind} ({guests}): {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(kinds: &[Option<(Type, bool)>]) -> Vec<Guest> {
        let guest = |memory: &Option<(Type, bool)>| {
            let fields = serde_json::json!({
                "guest": "6b7c1f2e-0000-4000-8000-000000000001", "port": "agent", "name": "", "region": "r", "channel": 0,
                "state": "attached", "silent_ms": 0, "max_message": 0, "max_record": 0,
                "sent": 0, "sent_bytes": 0, "received": 0, "received_bytes": 0, "redelivered": 0, "full": 0,
                "pings_dropped": 0, "unknown": 0,
                "late": 0, "stray_fragments": 0, "unwanted": 0, "interrupted": 0, "declined": 0, "unanswered": 0,
            });
            let guest: Guest = serde_json::from_value(fields).unwrap();
            Guest { memory: memory.map(|(memory_type, emulated)| Memory { memory_type, emulated }), ..guest }
        };
        kinds.iter().map(guest).collect()
    }

    #[test]
    fn guests_that_say_nothing_have_no_column() {
        assert_eq!(column(&guests(&[None, None])), None);
        assert_eq!(remedies(&guests(&[None])), [""; 0]);
    }

    #[test]
    fn each_kind_is_named_and_only_slow_ones_have_a_remedy() {
        let all = guests(&[
            None,
            Some((Type::WriteBack, false)),
            Some((Type::WriteBack, true)),
            Some((Type::WriteCombining, false)),
            Some((Type::WriteCombining, false)),
            Some((Type::Uncached, false)),
        ]);
        assert!(column(&all).is_some());
        let cells: Vec<String> = all.iter().map(cell).collect();
        let combining = "write-combining";
        assert_eq!(cells, ["-", "write-back", "write-back, emulated", combining, combining, "uncached"]);
        let lines = remedies(&all);
        let begin: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(begin, ["memory emulated (1)", "memory write-combining (2)", "memory uncached (1)"]);
        assert_eq!(remedies(&all[..2]), [""; 0], "as it should be");
    }
}
