//! Who may use a control socket.
//!
//! The kernel already lets only those connect who may write to the socket's file. This check holds beside it, also when
//! the file's mode was loosened by hand.

use std::fs;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt::PeerCredentials};

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "uid {uid} may not use this control socket: be root, the server's own user or a member of the socket file's group"
)]
pub(super) struct Denied {
    uid: u32,
}

/// Lets root, the server's own user and members of the socket file's group through.
///
/// `group` is that group, `None` when the file isn't there any more.
pub(super) fn check(stream: &UnixStream, group: Option<u32>) -> Result<(), Denied> {
    // unix(7): the credentials are those at the time of connect(2), kept by the kernel.
    let Ok(peer) = getsockopt(stream, PeerCredentials) else { return Err(Denied { uid: u32::MAX }) };
    let own = nix::unistd::geteuid().as_raw();
    if is_allowed(&peer, own, group, || supplementary_groups(peer.pid())) {
        Ok(())
    } else {
        Err(Denied { uid: peer.uid() })
    }
}

fn is_allowed(
    peer: &UnixCredentials,
    own: u32,
    group: Option<u32>,
    supplementary: impl FnOnce() -> Vec<u32>,
) -> bool {
    peer.uid() == 0
        || peer.uid() == own
        || group.is_some_and(|group| peer.gid() == group || supplementary().contains(&group))
}

/// The peer's further groups, which SO_PEERCRED doesn't carry; none when they can't be read.
///
/// A process id can be in new hands by now. That is no way in: whoever connected had the kernel's permission, and a new
/// holder with the group's rights could connect itself.
fn supplementary_groups(pid: i32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/status")).map(|status| groups_in(&status)).unwrap_or_default()
}

/// The line `Groups:` of proc_pid_status(5).
fn groups_in(status: &str) -> Vec<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .map(|groups| groups.split_ascii_whitespace().filter_map(|group| group.parse().ok()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_let_through() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(check(&one, None), Ok(()));
    }

    #[test]
    fn root_owner_and_group_are_let_through() {
        let peer = |uid, gid| UnixCredentials::from(nix::libc::ucred { pid: 1, uid, gid });
        for (uid, gid, supplementary, allowed) in [
            (0, 7, vec![], true),
            (1000, 7, vec![], true),
            (1001, 36, vec![], true),
            (1001, 7, vec![7, 36], true),
            (1001, 7, vec![7], false),
            (1001, 0, vec![0], false),
        ] {
            assert_eq!(is_allowed(&peer(uid, gid), 1000, Some(36), || supplementary), allowed, "{uid} {gid}");
        }
        assert!(!is_allowed(&peer(1001, 36), 1000, None, || vec![36]));
    }

    #[test]
    fn groups_are_read() {
        assert_eq!(groups_in("Name:\tsh\nGroups:\t4 24 1000 \nNStgid:\t1\n"), [4, 24, 1000]);
        assert!(groups_in("Groups:\t\n").is_empty());
        assert!(groups_in("Name:\tGroups:\n").is_empty());
    }
}
