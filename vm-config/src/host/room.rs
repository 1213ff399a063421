//! The check `region-allocation`: whether the memory of a region is there, or will be when it is touched.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::bytes::{about, amount, mib_for};
use super::region_file::{Found, RegionFile};
use super::{CheckLine, Root};
use crate::Size;

const CHECK: &str = "region-allocation";

/// The room in a file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// All of it, in bytes.
    pub(super) total: u64,
    /// What is free of it.
    pub(super) free: u64,
}

impl Room {
    /// The room where `path` is; `None` if it has no limit.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        let fs = statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(fs.fragment_size());
        Ok((fs.blocks() > 0).then(|| Self { total: bytes(fs.blocks()), free: bytes(fs.blocks_free()) }))
    }
}

/// Whether there is room for all of the region. A page that is not there when it is touched is SIGBUS, for QEMU and the
/// daemon alike.
pub(super) fn line(root: &Root, file: &RegionFile, size: Option<Size>) -> CheckLine {
    let (length, allocated) = match &file.found {
        Found::Regular(regular) => (regular.length, regular.allocated),
        Found::Missing => (0, 0),
        Found::Other { .. } | Found::Unreadable(_) => {
            return CheckLine::unknown(CHECK, "not looked at, because region-file is not as it should be");
        }
    };
    let wanted = length.max(size.map_or(0, Size::bytes));
    match Room::of(&root.path("/dev/shm")) {
        Err(error) => CheckLine::unknown(CHECK, format!("the room in /dev/shm cannot be told: {error}")),
        Ok(room) => judged(wanted, allocated.min(wanted), room),
    }
}

fn judged(wanted: u64, allocated: u64, room: Option<Room>) -> CheckLine {
    let missing = wanted - allocated;
    let part = if missing == 0 {
        format!("all {} of it are allocated", amount(wanted))
    } else {
        format!("{} of {} are allocated", amount(allocated), amount(wanted))
    };
    match room {
        _ if wanted == 0 => CheckLine::ok(CHECK, "nothing is allocated yet"),
        Some(room) if room.free < missing => CheckLine::failed(
            CHECK,
            format!(
                "{part}, and /dev/shm has {} free: who touches the rest ends by SIGBUS, QEMU or ivringd",
                about(room.free)
            ),
            format!("mount -o remount,size={}M /dev/shm", mib_for(room.total - room.free + missing) + 1),
        ),
        _ if missing == 0 => CheckLine::ok(CHECK, part),
        _ => CheckLine::ok(
            CHECK,
            format!("{part}; there is room for the rest, which ivringd takes when it starts"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Verdict;

    const M: u64 = 1 << 20;

    #[test]
    fn a_hole_that_cannot_be_filled_is_told_with_its_numbers() {
        let line = judged(8 * M, 2 * M, Some(Room { total: 64 * M, free: 5 * M }));
        assert_eq!(line.verdict, Verdict::Failed);
        assert_eq!(
            line.says,
            "2 MiB of 8 MiB are allocated, and /dev/shm has 5 MiB free: who touches the rest ends by SIGBUS, QEMU or ivringd"
        );
        assert_eq!(line.next.as_deref(), Some("mount -o remount,size=66M /dev/shm"));
        // With that size there is room.
        assert_eq!(judged(8 * M, 2 * M, Some(Room { total: 66 * M, free: 7 * M })).verdict, Verdict::Ok);
    }

    #[test]
    fn what_is_allocated_needs_no_room() {
        let full = Some(Room { total: 64 * M, free: 0 });
        assert_eq!(judged(8 * M, 8 * M, full), CheckLine::ok(CHECK, "all 8 MiB of it are allocated"));
        assert_eq!(judged(0, 0, full).verdict, Verdict::Ok);
        assert_eq!(judged(8 * M, 0, full).verdict, Verdict::Failed);
    }

    #[test]
    fn a_hole_with_room_or_without_a_limit_is_well() {
        for room in [None, Some(Room { total: 64 * M, free: 6 * M })] {
            let line = judged(8 * M, 2 * M, room);
            assert_eq!(line.verdict, Verdict::Ok);
            assert!(line.says.starts_with("2 MiB of 8 MiB are allocated; there is room"), "{}", line.says);
        }
    }
}
