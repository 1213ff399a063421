//! What waits in a channel's two rings, by the positions that both ends publish.
//!
//! Records are not looked at, so it works with a mapping of the pages before the rings.

use super::line::Line;
use crate::console::amount::bytes;
use crate::layout::{ChannelPlace, RingPlace, control_word as word};
use crate::memory::Memory;

/// A ring as full as this has no room for the next message, or soon will not.
const FULL: (u64, u64) = (7, 8);

/// The rings of a channel at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Rings {
    to_host: Waits,
    to_guest: Waits,
}

/// What waits in one ring.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// Position behind what was taken out.
    head: u64,
    /// Position behind what was put in, as far as the producer has told.
    hint: u64,
    capacity: u64,
}

impl Waits {
    fn look<M: Memory>(memory: &M, ring: &RingPlace) -> Self {
        // In this order: what is taken out afterwards only makes the ring look fuller.
        let head = memory.load_acquire(ring.consumer + word::HEAD);
        memory.after_ready();
        Waits { head, hint: memory.load(ring.producer + word::HINT), capacity: ring.capacity }
    }

    /// Bytes that wait, if the positions can be right. The hint of a producer that died may lag behind the head.
    fn bytes(&self) -> Option<u64> {
        let ahead = self.hint.wrapping_sub(self.head);
        let behind = self.head.wrapping_sub(self.hint);
        let aligned = self.head.is_multiple_of(8) && self.hint.is_multiple_of(8);
        match () {
            () if aligned && ahead <= self.capacity => Some(ahead),
            () if aligned && behind <= self.capacity => Some(0),
            () => None,
        }
    }

    fn is_full(&self) -> bool {
        self.bytes().is_some_and(|waits| waits > self.capacity / FULL.1 * FULL.0)
    }
}

impl Rings {
    /// Reads the positions.
    pub fn look<M: Memory>(memory: &M, channel: &ChannelPlace) -> Self {
        Rings {
            to_host: Waits::look(memory, &channel.to_host),
            to_guest: Waits::look(memory, &channel.to_guest),
        }
    }

    /// Judges by what they were `before`, a third of a second ago or more: the check `rings`. `reset` is what ends the
    /// session.
    pub fn judge(&self, before: &Rings, reset: &str) -> Line {
        const CHECK: &str = "rings";
        let mut says = Vec::new();
        let (mut stuck, mut full) = (None, None);
        for (name, reader, is, was) in [
            ("to the host", "the host", &self.to_host, &before.to_host),
            ("to the guest", "the guest", &self.to_guest, &before.to_guest),
        ] {
            let Some(waits) = is.bytes() else {
                let says =
                    format!("the ring {name} cannot be right: head {:#x}, hint {:#x}", is.head, is.hint);
                return Line::failed(CHECK, says, reset);
            };
            says.push(format!("{} of {} wait {name}", bytes(waits), bytes(is.capacity)));
            if waits > 0 && was.bytes().is_some_and(|waited| waited > 0) && is.head == was.head {
                stuck = stuck.or(Some(reader));
                full = full.or(is.is_full().then_some(reader));
            }
        }
        let says = says.join(", ");
        let look = |reader| format!("look at {reader}'s heartbeat and load");
        match (full, stuck) {
            (Some(reader), _) => Line::failed(
                CHECK,
                format!("{says}: a ring is full, and {reader} takes nothing out"),
                look(reader),
            ),
            (None, Some(reader)) => Line::pending(
                CHECK,
                format!("{says}: {reader} has taken nothing out meanwhile"),
                look(reader),
            ),
            (None, None) => Line::ok(CHECK, says),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::layout::Geometry;
    use crate::memory::HeapMemory;

    #[test]
    fn rings_that_nobody_reads_are_told_from_those_that_move() {
        let memory = HeapMemory::new(1 << 20);
        let geometry = Geometry::new(1 << 20, 2).unwrap();
        let channel = geometry.channel(1).unwrap();
        let capacity = channel.to_guest.capacity;
        let set = |head, hint| {
            memory.store(channel.to_guest.consumer + word::HEAD, head);
            memory.store(channel.to_guest.producer + word::HINT, hint);
            Rings::look(&memory, &channel)
        };
        let end = u64::MAX - 63;
        for (before, now, verdict, says) in [
            ((0, 0), (0, 0), Verdict::Ok, "0 B of"),
            ((0, 64), (64, 128), Verdict::Ok, "64 B of"),
            ((0, 64), (0, 64), Verdict::Pending, "the guest has taken nothing out meanwhile"),
            ((0, 0), (0, 64), Verdict::Ok, "64 B of"),
            ((end, 64), (end, 64), Verdict::Pending, "128 B of"),
            (
                (0, capacity - 64),
                (0, capacity - 64),
                Verdict::Failed,
                "a ring is full, and the guest takes nothing",
            ),
            ((0, capacity - 64), (64, capacity), Verdict::Ok, "wait to the guest"),
            // The producer died before it told how far it was.
            ((128, 64), (128, 64), Verdict::Ok, "0 B of"),
            ((0, 0), (0, capacity + 8), Verdict::Failed, "the ring to the guest cannot be right: head 0x0"),
            ((0, 0), (4, 8), Verdict::Failed, "head 0x4, hint 0x8"),
        ] {
            let before = set(before.0, before.1);
            let line = set(now.0, now.1).judge(&before, "reset");
            assert!(line.verdict == verdict && line.says.contains(says), "{now:?}: {line}");
        }
        assert_eq!(set(4, 8).judge(&set(0, 0), "reset").next.as_deref(), Some("reset"));
    }
}
