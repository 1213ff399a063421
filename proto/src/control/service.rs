//! The two programs that serve a control socket, and where theirs is.

use std::fmt;
use std::path::{Path, PathBuf};

/// A program that serves a control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `ivringd` on the host.
    Daemon,
    /// `ivring-agent` in a guest.
    Agent,
}

impl Service {
    /// Where the server puts its socket unless told otherwise: `/run/NAME/control.sock` for root,
    /// `$XDG_RUNTIME_DIR/NAME/control.sock` for others.
    pub fn path_to_serve(self) -> PathBuf {
        self.own_path(nix::unistd::geteuid().is_root(), runtime_dir().as_deref())
    }

    /// Where a client looks for it unless told otherwise: the user's own server if there is a socket, else root's.
    pub fn path_to_reach(self) -> PathBuf {
        let own = self.path_to_serve();
        if own.exists() { own } else { self.path_in(Path::new("/run")) }
    }

    fn own_path(self, root: bool, runtime_dir: Option<&Path>) -> PathBuf {
        match runtime_dir {
            Some(directory) if !root => self.path_in(directory),
            _ => self.path_in(Path::new("/run")),
        }
    }

    fn path_in(self, directory: &Path) -> PathBuf {
        directory.join(self.to_string()).join("control.sock")
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Daemon => "ivringd",
            Service::Agent => "ivring-agent",
        })
    }
}

/// `$XDG_RUNTIME_DIR`; a relative one is to be ignored by the XDG Base Directory Specification.
fn runtime_dir() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_depends_on_the_user() {
        let own = Some(Path::new("/run/user/1000"));
        for (service, root, runtime_dir, path) in [
            (Service::Daemon, true, own, "/run/ivringd/control.sock"),
            (Service::Daemon, false, own, "/run/user/1000/ivringd/control.sock"),
            (Service::Agent, false, None, "/run/ivring-agent/control.sock"),
        ] {
            assert_eq!(service.own_path(root, runtime_dir), Path::new(path));
        }
    }
}
