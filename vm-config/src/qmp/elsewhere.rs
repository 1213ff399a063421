//! Whether QEMU sees the region's file that is seen here: one in a container has a `/dev/shm` of its own.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Whether the process at the other end of `stream` has another file at `path`, or none. False also if that cannot be seen:
/// another user's process shows its files to root only.
pub(super) fn is_elsewhere(stream: &UnixStream, path: &str) -> bool {
    let Ok(peer) = getsockopt(stream, PeerCredentials) else { return false };
    let root = PathBuf::from(format!("/proc/{}/root", peer.pid()));
    // What a process without an id of ours is, in another PID namespace, cannot be seen either.
    peer.pid() > 0 && differs(&root, Path::new(path))
}

fn differs(root: &Path, path: &Path) -> bool {
    let below = root.join(path.strip_prefix("/").unwrap_or(path));
    match (identity(&below), identity(path)) {
        (Ok(theirs), Ok(ours)) => theirs != ours,
        _ => false,
    }
}

/// Device and inode; `None` if there is nothing.
fn identity(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_or_none_is_told_from_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("fg_i3");
        let root = folder.path().join("root");
        let theirs = root.join(ours.strip_prefix("/").unwrap());
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        assert!(!differs(&root, &ours), "neither is there");
        fs::write(&ours, "").unwrap();
        assert!(differs(&root, &ours), "only ours");
        fs::write(&theirs, "").unwrap();
        assert!(differs(&root, &ours), "two files");
        fs::remove_file(&theirs).unwrap();
        fs::hard_link(&ours, &theirs).unwrap();
        assert!(!differs(&root, &ours), "one file");
        assert!(!differs(Path::new("/"), &ours));
    }

    #[test]
    fn a_process_here_has_the_files_that_are_here() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(!is_elsewhere(&ours, "/dev/null"));
    }
}
