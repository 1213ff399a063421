//! A child process that never outlives the lab.

use std::fs::File;
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
    /// Starts `command` in a process group of its own, its output and messages appended to `log`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the log cannot be opened or the program not started.
    pub fn start(name: &str, mut command: Command, log: &Path, keeper: &Arc<Keeper>) -> Result<Self, Error> {
        let open = || File::options().create(true).append(true).open(log);
        let output = open().map_err(Error::io(format!("cannot open {}", log.display())))?;
        let messages = output.try_clone().map_err(Error::io(format!("cannot open {}", log.display())))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(messages)
            // A group of its own: Ctrl-C on the terminal reaches the lab, which then ends its processes in order.
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("cannot start {}", command.get_program().display())))?;
        let process = Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            keeper: Arc::clone(keeper),
            ended: None,
        };
        process.keeper.end(process.id())?;
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
