//! Putting a socket's file into place, and taking it away again.

use std::fs::{self, DirBuilder, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use nix::unistd::geteuid;

use super::Code;

/// Longest path of a UNIX socket in bytes: `sun_path` of unix(7) less the NUL.
const MAX_PATH: usize = 107;
/// How long to wait for another server that is just starting in the same directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Why a server can't have its socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another server answers there.
    #[error("{}: another server answers on this socket; stop it, or choose another path with --socket", path.display())]
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something that is no socket is in the way.
    #[error("{}: exists and is no socket; remove it, or choose another path with --socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path is longer than the system allows.
    #[error(
        "{}: a socket's path has at most {MAX_PATH} bytes, this one has {length}; choose a shorter one with --socket",
        path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The path that was worked on.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl BindError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        match self {
            BindError::InUse { .. } => Code::Refused,
            BindError::NotASocket { .. } | BindError::PathTooLong { .. } => Code::BadInput,
            BindError::Io { .. } => Code::Failure,
        }
    }
}

/// The file of a listening socket, removed when dropped if it is still the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Group of the file; `None` when it isn't ours any more.
    pub(super) fn group(&self) -> Option<u32> {
        let file = fs::symlink_metadata(&self.path).ok()?;
        (file.dev() == self.device && file.ino() == self.inode).then(|| file.gid())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.group().is_some() {
            // It may have been removed since, and then there is nothing left to do.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`, non-blocking, with `mode` on the file; makes the directory if only that is missing.
///
/// A socket on which nobody answers was left by a server that died, and is replaced.
pub(super) fn bind(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), BindError> {
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        return Err(BindError::PathTooLong { path: path.to_owned(), length });
    }
    let _lock = lock_directory(path)?;
    remove_stale(path)?;

    let failed = |action, errno: Errno| io_error(path, action, errno.into());
    let socket = stream_socket().map_err(|errno| failed("make a socket", errno))?;
    let address = UnixAddr::new(path).map_err(|errno| failed("use it as a socket's path", errno))?;
    socket::bind(socket.as_raw_fd(), &address).map_err(|errno| match errno {
        Errno::EADDRINUSE => BindError::InUse { path: path.to_owned() },
        other => failed("bind the socket", other),
    })?;
    // Before listen(2) every connect(2) is refused, so nobody slips in under the mode that the umask left.
    let file = set_mode(path, mode)?;
    let file = SocketFile { path: path.to_owned(), device: file.dev(), inode: file.ino() };
    socket::listen(&socket, Backlog::MAXCONN).map_err(|errno| failed("listen on the socket", errno))?;
    Ok((UnixListener::from(socket), file))
}

/// Gives the socket that was just bound its mode, and nothing else that may have been put in its place since: where others
/// may write to the directory, chmod(2) on the path could be led to any file of this user's.
fn set_mode(path: &Path, mode: u32) -> Result<Metadata, BindError> {
    let examined = |source| io_error(path, "examine the socket", source);
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(examined)?;
    let found = file.metadata().map_err(examined)?;
    if !found.file_type().is_socket() || found.uid() != geteuid().as_raw() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    // fchmod(2) refuses a descriptor that is only a path; this is the way that open(2) names, under O_PATH.
    let same = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(same, Permissions::from_mode(mode))
        .map_err(|source| io_error(path, "set the mode of the socket", source))?;
    Ok(found)
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> BindError {
    BindError::Io { path: path.to_owned(), action, source }
}

fn stream_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Orders servers that start at the same time, so that none takes the other's socket for a stale one before it listens.
///
/// Who holds the lock for longer is no server that starts, but anybody who may read the directory: not worth failing.
fn lock_directory(path: &Path) -> Result<File, BindError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error(directory, "make the directory", source));
        }
        _ => {}
    }
    let directory_file =
        File::open(directory).map_err(|source| io_error(directory, "open the directory", source))?;
    let started = Instant::now();
    while let Err(TryLockError::WouldBlock) = directory_file.try_lock() {
        if started.elapsed() > LOCK_PATIENCE {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(directory_file)
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error(path, "examine it", source)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    if somebody_answers(path).map_err(|errno| io_error(path, "ask who answers there", errno.into()))? {
        return Err(BindError::InUse { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(|source| io_error(path, "remove the stale socket", source))
}

/// Whether a server listens there. Doesn't wait for one whose backlog is full.
fn somebody_answers(path: &Path) -> nix::Result<bool> {
    let socket = stream_socket()?;
    match socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) | Err(Errno::EAGAIN) => Ok(true),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(false),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_was_put_in_the_sockets_place_keeps_its_mode() {
        let directory = TempDir::new().unwrap();
        let at = |name| directory.path().join(name);
        fs::write(at("secret"), "x").unwrap();
        fs::set_permissions(at("secret"), Permissions::from_mode(0o600)).unwrap();
        let _other = UnixListener::bind(at("other")).unwrap();
        fs::set_permissions(at("other"), Permissions::from_mode(0o600)).unwrap();
        symlink(at("secret"), at("link")).unwrap();
        symlink(at("other"), at("link to a socket")).unwrap();
        for name in ["secret", "link", "link to a socket"] {
            let error = set_mode(&at(name), 0o666).unwrap_err();
            assert!(matches!(error, BindError::NotASocket { .. }), "{name}: {error}");
        }
        assert!(matches!(set_mode(&at("gone"), 0o666).unwrap_err(), BindError::Io { .. }));
        assert_eq!((mode(&at("secret")), mode(&at("other"))), (0o600, 0o600));
        set_mode(&at("other"), 0o640).unwrap();
        assert_eq!(mode(&at("other")), 0o640);
    }
}
