//! A child process that never outlives the lab.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Error;
use crate::keeper::Keeper;

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Becomes the program that is named once it is given a line. Without one, because the lab has died, it just ends: so nothing
/// runs that the keeper does not know of.
const HELD: &str = r#"read -r line && exec "$@" </dev/null"#;

/// A running program with its output in a file. Dropping it kills it, with all its children.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    keeper: Arc<Keeper>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` in a process group of its own, with its environment and its folder, and with its output and messages
    /// appended to `log`.
    ///
    /// A program that cannot be run is one that ends with status 126 or 127, and the log says why.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the log cannot be opened, or a shell not started, or the keeper not told.
    pub fn start(name: &str, command: &Command, log: &Path, keeper: &Arc<Keeper>) -> Result<Self, Error> {
        let open = || File::options().create(true).append(true).open(log);
        let output = open().map_err(Error::io(format!("cannot open {}", log.display())))?;
        let messages = output.try_clone().map_err(Error::io(format!("cannot open {}", log.display())))?;
        let failed = || Error::io(format!("cannot start {}", command.get_program().display()));
        let mut child = held(command)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(messages)
            // A group of its own: Ctrl-C on the terminal reaches the lab, which then ends its processes in order.
            .process_group(0)
            .spawn()
            .map_err(failed())?;
        let line = child.stdin.take();
        let process = Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            keeper: Arc::clone(keeper),
            ended: None,
        };
        process.keeper.end(process.id())?;
        line.map_or(Ok(()), |mut line| line.write_all(b"go\n")).map_err(failed())?;
        Ok(process)
    }

    /// The process id, which is also the id of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that holds its output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its status if it has ended. Never blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system does not tell.
    pub fn status(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            let status =
                self.child.try_wait().map_err(Error::io(format!("cannot wait for {}", self.name)))?;
            if status.is_some() {
                self.ended = status;
                self.keeper.ended(self.id())?;
            }
        }
        Ok(self.ended)
    }

    /// Waits at most `limit` for its end.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it still runs then.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Error::Failed(format!("{} still runs after {limit:?}", self.name)));
            }
            thread::sleep(POLL);
        }
    }

    /// Sends `signal` to the process and its children.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it has ended already.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if let Some(status) = self.status()? {
            return Err(Error::Failed(format!("{} has ended already ({status})", self.name)));
        }
        let group = Pid::from_raw(i32::try_from(self.id()).expect("a process id is a positive i32"));
        killpg(group, signal)
            .map_err(|e| Error::Failed(format!("cannot send {signal} to {}: {e}", self.name)))
    }

    /// Kills it (SIGKILL: no warning, no farewell) and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`Process::signal`] and [`Process::wait`].
    pub fn kill(&mut self) -> Result<(), Error> {
        self.signal(Signal::SIGKILL)?;
        self.wait(Duration::from_secs(10))?;
        Ok(())
    }
}

/// The shell that becomes what `command` would start.
fn held(command: &Command) -> Command {
    let mut held = Command::new("/bin/sh");
    held.args(["-c", HELD, "ivring-lab-held"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        held.current_dir(folder);
    }
    held
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none()
            && let Err(error) = self.kill()
            && self.ended.is_none()
        {
            eprintln!("ivring-lab: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_started_runs_as_it_would_have_by_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Arc::new(Keeper::start().expect("there is a shell"));
        let log = folder.path().join("log");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"cat; echo "$$ $PWD $WORD ${HOME-none} $1" >&2"#, "sh", "a 'b\" $c"]);
        command.current_dir(folder.path()).env("WORD", "two words").env_remove("HOME");
        let mut process = Process::start("shell", &command, &log, &keeper).expect("it starts");
        let status = process.wait(Duration::from_secs(60)).expect("it ends");
        assert!(status.success(), "{status}");
        let said = fs::read_to_string(&log).expect("it has a log");
        let folder = folder.path().canonicalize().expect("it is there");
        assert_eq!(said, format!("{} {} two words none a 'b\" $c\n", process.id(), folder.display()));
    }

    #[test]
    fn nothing_runs_of_which_the_keeper_was_not_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        let mut command = Command::new("touch");
        command.arg(&file);
        // As it finds it when the lab dies before it has told the keeper.
        let status = held(&command).stdin(Stdio::null()).status().expect("there is a shell");
        assert!(!status.success() && !file.exists(), "{status}");
    }

    #[test]
    fn a_program_that_is_not_there_ends_and_the_log_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Arc::new(Keeper::start().expect("there is a shell"));
        let log = folder.path().join("log");
        let command = Command::new(folder.path().join("missing"));
        let mut process = Process::start("missing", &command, &log, &keeper).expect("the shell starts");
        let status = process.wait(Duration::from_secs(60)).expect("it ends");
        assert_eq!(status.code(), Some(127));
        assert!(fs::read_to_string(&log).expect("it has a log").contains("missing"));
    }
}
