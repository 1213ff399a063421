//! One change to a machine: how it reads and how it is made.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::file_error;
use super::{InstallError, NAME};

/// How long the agent may take to say good-bye.
const END_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// One change.
#[derive(Debug)]
pub(crate) enum Change {
    /// A file gets these contents, whole or not at all.
    Write {
        /// The file.
        path: PathBuf,
        /// What it is to hold.
        contents: Vec<u8>,
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link is made.
    Link {
        /// The link.
        path: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// A file or link is removed.
    Remove {
        /// The file.
        path: PathBuf,
    },
    /// systemd is told something.
    Systemctl(&'static [&'static str]),
    /// Plain init is told to read `/etc/inittab` again.
    RereadInittab,
    /// A process is asked to end, which is awaited.
    End {
        /// The process.
        process: i32,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, mode, .. } => write!(f, "write {}, mode {mode:04o}", path.display()),
            Self::Link { path, target } => write!(f, "link {} to {}", path.display(), target.display()),
            Self::Remove { path } => write!(f, "remove {}", path.display()),
            Self::Systemctl(words) => write!(f, "run systemctl {}", words.join(" ")),
            Self::RereadInittab => write!(f, "tell init to read /etc/inittab again (SIGHUP to process 1)"),
            Self::End { process } => write!(f, "end process {process} (SIGTERM)"),
        }
    }
}

impl Change {
    /// The file it changes.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Write { path, .. } | Self::Link { path, .. } | Self::Remove { path } => Some(path),
            Self::Systemctl(_) | Self::RereadInittab | Self::End { .. } => None,
        }
    }

    /// Makes it.
    pub(super) fn make(&self) -> Result<(), InstallError> {
        match self {
            Self::Write { path, contents, mode } => {
                make_parent(path)?;
                write_whole(path, contents, *mode).map_err(file_error("write", path))
            }
            Self::Link { path, target } => {
                make_parent(path)?;
                symlink(target, path).map_err(file_error("make the link", path))
            }
            Self::Remove { path } => fs::remove_file(path).map_err(file_error("remove", path)),
            Self::Systemctl(words) => systemctl(words),
            Self::RereadInittab => signal(1, Signal::SIGHUP),
            Self::End { process } => end(*process),
        }
    }
}

fn make_parent(path: &Path) -> Result<(), InstallError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent)
        .map_err(file_error("make the directory", parent))
}

/// Writes a new file and puts it in the place of the old one: a program may be running from that, and init may be
/// reading it.
fn write_whole(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let new = path.with_file_name(format!(".{NAME}.{}", process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file
        .write_all(contents)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        // Before the rename, or a power failure could leave an empty inittab.
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The first error is the one to be told.
        let _ = fs::remove_file(&new);
    }
    written
}

fn systemctl(words: &[&str]) -> Result<(), InstallError> {
    let failed = |outcome: String| InstallError::Command {
        command: format!("systemctl {}", words.join(" ")),
        outcome,
    };
    let output = Command::new("systemctl").args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}

fn signal(process: i32, signal: Signal) -> Result<(), InstallError> {
    kill(Pid::from_raw(process), signal).map_err(|errno| InstallError::Signal {
        signal: signal.as_str(),
        process,
        source: errno.into(),
    })
}

fn end(process: i32) -> Result<(), InstallError> {
    let deadline = Instant::now() + END_LIMIT;
    let gone = |errno: Errno| if errno == Errno::ESRCH { Ok(()) } else { Err(errno) };
    let failed = |source: io::Error| InstallError::Signal { signal: "SIGTERM", process, source };
    kill(Pid::from_raw(process), Signal::SIGTERM).or_else(gone).map_err(|errno| failed(errno.into()))?;
    while kill(Pid::from_raw(process), None) != Err(Errno::ESRCH) {
        if Instant::now() >= deadline {
            return Err(failed(io::Error::new(io::ErrorKind::TimedOut, "it still runs after 10 s")));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("deep/file");
        for contents in [b"old", b"new"] {
            let change = Change::Write { path: path.clone(), contents: contents.to_vec(), mode: 0o755 };
            change.make().unwrap();
            assert_eq!(fs::read(&path).unwrap(), contents);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

        // A directory can't be replaced by a file.
        let change = Change::Write { path: folder.path().join("deep"), contents: Vec::new(), mode: 0o644 };
        let error = change.make().unwrap_err().to_string();
        assert!(error.starts_with(&format!("can't write {}/deep: ", folder.path().display())), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_process_that_is_asked_to_end_is_awaited() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = i32::try_from(child.id()).unwrap();
        let reaper = thread::spawn(move || child.wait());
        Change::End { process }.make().unwrap();
        assert!(!reaper.join().unwrap().unwrap().success());
        Change::End { process }.make().expect("one that is gone has ended");
    }
}
