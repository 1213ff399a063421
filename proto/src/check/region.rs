//! What a superblock says.

use crate::layout::{RegionState, Superblock, SuperblockError, Version, VersionRange};
use crate::session::Uuid;

use super::line::Line;
use crate::console::amount::bytes;

/// Where the one sits who reads a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On the host.
    Host,
    /// In a guest: what is to be done on the host is said to be.
    Guest,
}

impl Side {
    /// A command that is for the host.
    pub(super) fn on_host(self, command: &str) -> String {
        match self {
            Side::Host => command.to_owned(),
            Side::Guest => format!("on the host: {command}"),
        }
    }
}

/// Judges what [`read_superblock`](crate::layout::read_superblock) gave: the check `superblock`.
pub fn superblock(read: &Result<Superblock, SuperblockError>, side: Side) -> Line {
    const CHECK: &str = "superblock";
    let error = match read {
        Ok(superblock) if superblock.state == RegionState::Closing => {
            let next = side.on_host("journalctl -u ivringd says when it is done");
            return Line::pending(CHECK, "the region is about to be formatted anew", next);
        }
        Ok(superblock) => return Line::ok(CHECK, sound(superblock)),
        Err(error) => error,
    };
    let next = match error {
        SuperblockError::Empty => side.on_host("systemctl start ivringd"),
        SuperblockError::Init => side.on_host("systemctl restart ivringd"),
        SuperblockError::Magic { .. } => side.on_host(
            "the file belongs to another program: give ivringd and the domains another --region and --name",
        ),
        SuperblockError::State { .. } | SuperblockError::Geometry(_) => {
            side.on_host("power its VMs off, stop ivringd, then once: ivringd --reformat")
        }
        SuperblockError::Version { .. } | SuperblockError::Features { .. } => {
            "install the same version of ivringd and ivring-agent".to_owned()
        }
        SuperblockError::Size { .. } => {
            side.on_host("ivring-vm-config status --size SIZE, the size of the region's file")
        }
    };
    Line::failed(CHECK, error.to_string(), next)
}

fn sound(superblock: &Superblock) -> String {
    let Superblock { generation, geometry, .. } = superblock;
    let owner = Uuid::from_bytes(superblock.owner);
    let who = if owner.is_nil() { "any VM".to_owned() } else { format!("VM {owner}") };
    format!(
        "ready, generation {generation}, {} channels in {}, for {who}",
        geometry.channels(),
        bytes(geometry.size()),
    )
}

/// Judges the protocol versions that the region's host speaks, and the one of a session where there is one: the check
/// `versions`.
pub fn versions(host: VersionRange, session: Option<Version>) -> Line {
    const CHECK: &str = "versions";
    let Some(session) = session else {
        return Line::ok(
            CHECK,
            format!("the host speaks ivring {host}, this program {}", VersionRange::SUPPORTED),
        );
    };
    let says = format!("the host speaks ivring {host}, the session {session}");
    if session < Version::WITH_FRAGMENTS {
        let says = format!("{says}: no message is longer than half a ring");
        return Line::pending(CHECK, says, "install the same version of ivringd and ivring-agent");
    }
    Line::ok(CHECK, says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::layout::{Geometry, GeometryError, read_superblock, write_state, write_superblock};
    use crate::memory::HeapMemory;

    #[test]
    fn each_state_of_a_superblock_has_its_remedy() {
        let memory = HeapMemory::new(1 << 20);
        let look = |side| superblock(&read_superblock(&memory), side);
        let empty = look(Side::Host);
        assert_eq!(
            (empty.verdict, empty.next.as_deref()),
            (Verdict::Failed, Some("systemctl start ivringd"))
        );
        assert_eq!(look(Side::Guest).next.as_deref(), Some("on the host: systemctl start ivringd"));
        let written = Superblock::new(Geometry::new(1 << 20, 2).unwrap(), [0; 16], "scratch");
        write_superblock(&memory, &written);
        assert!(look(Side::Host).next.unwrap().contains("restart ivringd"), "it is being formatted");
        write_state(&memory, RegionState::Ready, "");
        let line = look(Side::Host);
        assert_eq!(line.says, "ready, generation 1, 2 channels in 1 MiB, for any VM");
        assert_eq!((line.verdict, line.next), (Verdict::Ok, None));
        write_state(&memory, RegionState::Closing, "");
        assert_eq!(look(Side::Guest).verdict, Verdict::Pending);
    }

    #[test]
    fn each_fault_of_a_superblock_has_its_remedy() {
        let versions = VersionRange { min: Version::from_bits(2 << 16), max: Version::from_bits(2 << 16) };
        for (error, next) in [
            (SuperblockError::Magic { magic: 1 }, "belongs to another program"),
            (SuperblockError::State { state: 77 }, "--reformat"),
            (SuperblockError::Geometry(GeometryError::Size { size: 1 }), "--reformat"),
            (
                SuperblockError::Version { found: versions, supported: VersionRange::SUPPORTED },
                "the same version",
            ),
            (SuperblockError::Features { bits: 8 }, "the same version"),
            (SuperblockError::Size { said: 1, mapped: 2 }, "ivring-vm-config status --size"),
        ] {
            let line = superblock(&Err(error), Side::Host);
            assert_eq!((line.verdict, &line.says), (Verdict::Failed, &error.to_string()));
            assert!(line.next.unwrap().contains(next), "{error}");
        }
    }

    #[test]
    fn an_old_session_is_told_of() {
        let supported = VersionRange::SUPPORTED;
        assert_eq!(versions(supported, None).verdict, Verdict::Ok);
        assert_eq!(versions(supported, Some(Version::CURRENT)).verdict, Verdict::Ok);
        let old = versions(supported, Some(Version { major: 1, minor: 0 }));
        assert_eq!(old.verdict, Verdict::Pending);
        assert!(old.says.contains("the session 1.0"), "{old}");
    }
}
