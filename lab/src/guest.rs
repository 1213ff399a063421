//! A virtual machine of the lab.

mod snapshots;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ivring_vm_config::qmp::Monitor;
use serde_json::{Value, json};

use crate::Error;
use crate::channel::{Channel, Doorway};
use crate::process::Process;
use crate::shell::{Answer, Shell};

/// How long a guest may take until it takes commands. It takes 2 s on an idle machine.
pub const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// How long QEMU may take to connect to the lab's sockets.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How long QEMU's monitor may take for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// What messages call the second serial port.
pub(crate) const SHELL: &str = "guest's shell";
/// How often the console is looked at while a line is awaited.
const POLL: Duration = Duration::from_millis(10);
/// How much of the console an error shows.
const CONSOLE_TAIL: usize = 2000;

/// The sockets that a starting QEMU connects to.
#[derive(Debug)]
pub(crate) struct Doorways {
    pub(crate) shell: Doorway,
    pub(crate) monitor: Doorway,
}

/// A guest whose QEMU has been started, and which may still be booting.
#[derive(Debug)]
pub struct Booting {
    name: String,
    process: Process,
    console: PathBuf,
    doorways: Doorways,
    started: Instant,
}

impl Booting {
    pub(crate) fn new(name: &str, process: Process, console: PathBuf, doorways: Doorways) -> Self {
        Self { name: name.to_owned(), process, console, doorways, started: Instant::now() }
    }

    /// Waits until it takes commands, at most `limit` from its start.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not; the text shows QEMU's messages and the end of the console. The guest is ended.
    pub fn wait(self, limit: Duration) -> Result<Guest, Error> {
        let ready = self.started + limit;
        self.connect(|_, shell| Shell::wait(shell, ready))
    }

    /// Waits until QEMU has connected, and until `up` says that the guest runs.
    fn connect(
        mut self,
        up: impl FnOnce(&mut Monitor, Channel) -> Result<Shell, Error>,
    ) -> Result<Guest, Error> {
        let connected = Instant::now() + CONNECT_LIMIT;
        let connect = |doorways: Doorways| -> Result<(Monitor, Shell), Error> {
            let mut alive = || self.process.status().map(|ended| ended.is_none());
            let shell = doorways.shell.accept(connected, &mut alive)?;
            let monitor = doorways.monitor.accept(connected, &mut alive)?;
            let mut monitor = Monitor::over(monitor, ANSWER_LIMIT)?;
            let shell = up(&mut monitor, Channel::new(SHELL, shell))?;
            Ok((monitor, shell))
        };
        match connect(self.doorways) {
            Ok((monitor, shell)) => Ok(Guest {
                name: self.name,
                process: self.process,
                monitor,
                shell,
                console: Console { path: self.console, passed: 0 },
                boot_time: self.started.elapsed(),
            }),
            Err(error) => {
                // A QEMU that ends closes its sockets a moment before.
                let state = match self.process.wait(Duration::from_secs(1)) {
                    Ok(status) => format!("QEMU has ended ({status})"),
                    Err(_) => "QEMU runs".to_owned(),
                };
                Err(Error::Failed(format!(
                    "guest {} did not boot: {error}; {state}\nQEMU says:\n{}\nthe console ends with:\n{}",
                    self.name,
                    tail(self.process.log()),
                    tail(&self.console)
                )))
            }
        }
    }
}

/// A guest that has booted. Dropping it ends it like a power failure.
#[derive(Debug)]
pub struct Guest {
    name: String,
    process: Process,
    monitor: Monitor,
    shell: Shell,
    console: Console,
    boot_time: Duration,
}

impl Guest {
    /// Its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time from the start of QEMU until the guest took commands.
    #[must_use]
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// The id of its QEMU process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The threads of QEMU that are its virtual processors.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if QEMU does not tell.
    pub fn processors(&mut self) -> Result<Vec<u32>, Error> {
        let processors = self.monitor.execute("query-cpus-fast", &json!({}))?;
        let thread = |processor: &Value| u32::try_from(processor["thread-id"].as_u64()?).ok();
        let threads = processors.as_array().and_then(|all| all.iter().map(thread).collect());
        threads.ok_or_else(|| Error::Failed(format!("QEMU lists no threads of processors: {processors}")))
    }

    /// The file that holds its console. It is kept when the guest is gone.
    #[must_use]
    pub fn console(&self) -> &Path {
        &self.console.path
    }

    /// Runs a shell script in the guest; it is killed there after `limit`, in whole seconds.
    ///
    /// A process that it leaves in the background goes on, and does not hold up the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the guest does not answer, for instance because it is paused. No other script can be run then.
    pub fn run(&mut self, script: &str, limit: Duration) -> Result<Answer, Error> {
        self.shell.run(script, limit)
    }

    /// Waits at most `limit` for a console line that contains `text`, after the line that was found last.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if none comes.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String, Error> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.console.next_line_with(text)? {
                return Ok(line);
            }
            if Instant::now() >= deadline {
                return Err(Error::Failed(format!(
                    "guest {} did not print {text:?} within {limit:?}; its console ends with:\n{}",
                    self.name,
                    tail(&self.console.path)
                )));
            }
            thread::sleep(POLL);
        }
    }

    /// Stops its virtual CPUs; to the guest no time passes until [`Guest::resume`].
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if QEMU refuses.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.monitor.execute("stop", &json!({}))?;
        Ok(())
    }

    /// Lets a paused guest go on.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if QEMU refuses.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.monitor.execute("cont", &json!({}))?;
        Ok(())
    }

    /// Pulls the reset line: the guest boots anew, without warning, in the same QEMU process. Waits until it has.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not boot within [`BOOT_LIMIT`].
    pub fn reset(&mut self) -> Result<(), Error> {
        // The command line makes a reset end QEMU, so that a kernel that panics does not do so for ever.
        self.monitor.execute("set-action", &json!({ "reboot": "reset" }))?;
        let started = Instant::now();
        self.monitor.execute("system_reset", &json!({}))?;
        self.shell.wait_again(started + BOOT_LIMIT)?;
        self.monitor.execute("set-action", &json!({ "reboot": "shutdown" }))?;
        self.boot_time = started.elapsed();
        Ok(())
    }

    /// Ends every process of a guest with [`Plan::inittab`](crate::Plan::inittab) and starts its init anew: a reboot that
    /// keeps its files, which are in memory. Waits until it takes commands.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not within [`BOOT_LIMIT`].
    pub fn restart_init(&mut self) -> Result<(), Error> {
        self.shell.run("(sleep 0.2; kill -QUIT 1) >/dev/null 2>&1 &", CONNECT_LIMIT)?;
        self.shell.wait_again(Instant::now() + BOOT_LIMIT)
    }

    /// Ends the guest as its operator would: the agent is asked to end, then the machine is powered off.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it still runs after `limit`.
    pub fn power_off(mut self, limit: Duration) -> Result<(), Error> {
        let script = "touch /run/hold; killall ivring-agent 2>/dev/null && while pidof ivring-agent; do sleep 0.02; done\n\
                      (sleep 0.1; poweroff -f) >/dev/null 2>&1 &";
        self.shell.run(script, limit)?;
        self.process.wait(limit).map(drop)
    }

    /// Ends it like a power failure: QEMU gets SIGKILL, and is gone on return.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it had ended before.
    pub fn kill(mut self) -> Result<(), Error> {
        self.process.kill()
    }
}

/// A console's log, read from where the last search ended.
#[derive(Debug)]
struct Console {
    path: PathBuf,
    passed: usize,
}

impl Console {
    fn next_line_with(&mut self, text: &str) -> Result<Option<String>, Error> {
        let bytes = fs::read(&self.path)
            .map_err(Error::io(format!("cannot read the console {}", self.path.display())))?;
        let mut start = self.passed.min(bytes.len());
        while let Some(length) = bytes[start..].iter().position(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(&bytes[start..start + length]);
            start += length + 1;
            if line.contains(text) {
                self.passed = start;
                return Ok(Some(line.trim_end().to_owned()));
            }
        }
        Ok(None)
    }
}

fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(CONSOLE_TAIL)..]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_read_line_by_line_and_never_twice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut console = Console { path: file.path().to_owned(), passed: 0 };
        fs::write(&console.path, "one\r\ntwo 1\r\nthree\r\ntwo 2\r\ntwo without end").unwrap();
        assert_eq!(console.next_line_with("two").unwrap().as_deref(), Some("two 1"));
        assert_eq!(console.next_line_with("two").unwrap().as_deref(), Some("two 2"));
        assert_eq!(console.next_line_with("two").unwrap(), None);
        assert_eq!(console.next_line_with("one").unwrap(), None);
    }
}
