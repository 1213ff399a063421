//! The process that cleans up after the lab, whatever ends it.
//!
//! A destructor runs when a test panics, but not on Ctrl-C, an abort or SIGKILL. The keeper is a shell that reads the
//! lab's orders from a pipe. When the pipe ends, because the lab dropped it or because the lab died, it kills the
//! processes and removes the files that it was told of. So there is one mechanism for every way to end.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// Ends processes and removes files once the lab is gone. Dropping it does the same and waits until it is done.
#[derive(Debug)]
pub struct Keeper {
    shell: Child,
    orders: Mutex<Option<ChildStdin>>,
}

impl Keeper {
    /// Starts the keeper.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if `/bin/sh` does not start.
    pub fn start() -> Result<Self, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", include_str!("keeper.sh"), "ivring-lab-keeper"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("cannot start /bin/sh, which cleans up after the lab"))?;
        let orders = Mutex::new(shell.stdin.take());
        Ok(Self { shell, orders })
    }

    /// The process group `group` is to be killed when the lab is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the keeper has ended.
    pub fn end(&self, group: u32) -> Result<(), Error> {
        self.order("end", &group.to_string())
    }

    /// The process group `group` has ended; its number may belong to somebody else from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the keeper has ended.
    pub fn ended(&self, group: u32) -> Result<(), Error> {
        self.order("ended", &group.to_string())
    }

    /// The daemons that leave their process ids in files `*.pid` below `folder`, and name it on their command lines, are to be
    /// killed when the lab is gone.
    ///
    /// # Errors
    ///
    /// As [`Keeper::remove`].
    pub fn end_daemons(&self, folder: &Path) -> Result<(), Error> {
        self.order_path("daemons", folder)
    }

    /// `path`, a file or a directory, is to be removed when the lab is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the path is no text of one line, [`Error::Io`] if the keeper has ended.
    pub fn remove(&self, path: &Path) -> Result<(), Error> {
        self.order_path("remove", path)
    }

    fn order_path(&self, order: &str, path: &Path) -> Result<(), Error> {
        match path.to_str() {
            Some(text) if !text.contains('\n') && !text.ends_with(' ') => self.order(order, text),
            _ => Err(Error::Failed(format!("the lab cannot work in {path:?}: set TMPDIR to a plain path"))),
        }
    }

    fn order(&self, order: &str, what: &str) -> Result<(), Error> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        match orders.as_mut() {
            Some(pipe) => writeln!(pipe, "{order} {what}")
                .map_err(Error::io("the process that cleans up after the lab has ended")),
            None => Ok(()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of the pipe is the order to clean up.
        *self.orders.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        if let Err(error) = self.shell.wait() {
            eprintln!("ivring-lab: cannot wait for the process that cleans up: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::process::ExitStatusExt as _;
    use std::thread;
    use std::time::{Duration, Instant};

    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    /// A shell that has written its process id to `file`, which is on its command line.
    fn sleeper(file: &Path) -> Child {
        let script = r#"echo $$ >"$0"; sleep 600 & wait"#;
        let child = Command::new("/bin/sh").args(["-c", script]).arg(file).process_group(0).spawn();
        let child = child.expect("there is a shell");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')) {
            assert!(Instant::now() < deadline, "it writes {}", file.display());
            thread::sleep(Duration::from_millis(5));
        }
        child
    }

    #[test]
    fn daemons_of_a_folder_are_ended_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::start().expect("there is a shell");
        keeper.end_daemons(folder.path()).expect("it listens");
        let mut daemon = sleeper(&folder.path().join("daemon.pid"));
        // Its number is in the folder, but it is another, as when the number of an ended daemon is used again.
        let stranger_file = other.path().join("stranger.pid");
        let mut stranger = sleeper(&stranger_file);
        fs::copy(&stranger_file, folder.path().join("ended.pid")).expect("it can be copied");
        drop(keeper);
        let survived = stranger.try_wait().expect("it is ours").is_none();
        for child in [&daemon, &stranger] {
            let group = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
            killpg(group, Signal::SIGTERM).expect("a child of each runs on");
        }
        let ended = [daemon.wait(), stranger.wait()].map(|status| status.expect("it is ours").signal());
        assert!(survived);
        assert_eq!(ended, [Some(9), Some(15)]);
    }
}
