//! Guests that are saved and restored, memory and all.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ivring_vm_config::qmp::Monitor;
use serde_json::{Value, json};

use super::{Booting, Guest, POLL};
use crate::Error;
use crate::shell::Shell;

/// How long a guest's memory may take to a file or back.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

impl Guest {
    /// Saves the whole machine as a snapshot in its disk, and lets it go on: `savevm`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with QEMU's own words if it refuses.
    pub fn save(&mut self, snapshot: &str) -> Result<(), Error> {
        self.order(&format!("savevm {snapshot}"))
    }

    /// Puts the whole machine back to what it was at a snapshot, and lets it go on from there: `loadvm`.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub fn revert(&mut self, snapshot: &str) -> Result<(), Error> {
        self.order(&format!("loadvm {snapshot}"))
    }

    /// Has the monitor for people do something; it says something only if it does not.
    fn order(&mut self, command: &str) -> Result<(), Error> {
        let answer = self.monitor.execute("human-monitor-command", &json!({ "command-line": command }))?;
        match answer.as_str().map(str::trim) {
            Some("") => Ok(()),
            said => Err(Error::Failed(said.unwrap_or("QEMU's monitor answers with no text").to_owned())),
        }
    }

    /// Writes the machine to a file, with the region that it is a master of, and leaves it paused.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save); the machine goes on then.
    pub fn write_to(&mut self, path: &Path) -> Result<(), Error> {
        self.pause()?;
        let uri = format!("exec:cat >{}", path.display());
        if let Err(error) = self.monitor.execute("migrate", &json!({ "uri": uri })) {
            self.resume()?;
            return Err(error.into());
        }
        wait_until(&mut self.monitor, "query-migrate", "completed")
    }
}

impl Booting {
    /// Has a QEMU that was started with `-incoming defer` go on with a machine from a file, and with the region as it is there.
    ///
    /// # Errors
    ///
    /// As [`Booting::wait`].
    pub fn restore(self, path: &Path) -> Result<Guest, Error> {
        self.connect(|monitor, shell| {
            monitor.execute("migrate-incoming", &json!({ "uri": format!("exec:cat {}", path.display()) }))?;
            wait_until(monitor, "query-status", "paused")?;
            monitor.execute("cont", &json!({}))?;
            Ok(Shell::restored(shell))
        })
    }

    /// Waits for a machine that goes on from a snapshot in its disk: a QEMU that was started with `-loadvm`.
    ///
    /// # Errors
    ///
    /// As [`Booting::wait`].
    pub fn go_on(self) -> Result<Guest, Error> {
        self.connect(|monitor, shell| {
            wait_until(monitor, "query-status", "running")?;
            Ok(Shell::restored(shell))
        })
    }
}

/// Asks until the answer has this status.
fn wait_until(monitor: &mut Monitor, command: &str, status: &str) -> Result<(), Error> {
    let deadline = Instant::now() + MIGRATION_LIMIT;
    loop {
        let answer = monitor.execute(command, &json!({}))?;
        let found = answer.get("status").and_then(Value::as_str);
        if found == Some(status) {
            return Ok(());
        }
        if found == Some("failed") || Instant::now() >= deadline {
            return Err(Error::Failed(format!("{command} is to come to {status:?}, and says {answer}")));
        }
        thread::sleep(POLL);
    }
}
