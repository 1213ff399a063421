//! Guests that are saved and restored, memory and all.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Booting, Guest, POLL};
use crate::Error;
use crate::qmp::Qmp;
use crate::shell::Shell;

/// How long a guest's memory may take to a file or back.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);
/// What QEMU leaves out of a stream: memory that it shares with others, such as a region.
const WITHOUT_SHARED_MEMORY: &str = "x-ignore-shared";

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
        let answer = self.qmp.execute("human-monitor-command", &json!({ "command-line": command }))?;
        match answer.as_str().map(str::trim) {
            Some("") => Ok(()),
            said => Err(Error::Failed(said.unwrap_or("QEMU's monitor answers with no text").to_owned())),
        }
    }

    /// Writes the machine to a file, all but the memory that it shares, and leaves it paused.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub fn write_to(&mut self, path: &Path) -> Result<(), Error> {
        leave_out_shared_memory(&mut self.qmp)?;
        self.qmp.execute("migrate", &json!({ "uri": format!("exec:cat >{}", path.display()) }))?;
        wait_until(&mut self.qmp, "query-migrate", "completed")
    }
}

impl Booting {
    /// Has a QEMU that was started with `-incoming defer` go on with a machine from a file.
    ///
    /// # Errors
    ///
    /// As [`Booting::wait`].
    pub fn restore(self, path: &Path) -> Result<Guest, Error> {
        self.connect(|qmp, shell| {
            leave_out_shared_memory(qmp)?;
            qmp.execute("migrate-incoming", &json!({ "uri": format!("exec:cat {}", path.display()) }))?;
            wait_until(qmp, "query-status", "running")?;
            Ok(Shell::restored(shell))
        })
    }

    /// Waits for a machine that goes on from a snapshot in its disk: a QEMU that was started with `-loadvm`.
    ///
    /// # Errors
    ///
    /// As [`Booting::wait`].
    pub fn go_on(self) -> Result<Guest, Error> {
        self.connect(|qmp, shell| {
            wait_until(qmp, "query-status", "running")?;
            Ok(Shell::restored(shell))
        })
    }
}

fn leave_out_shared_memory(qmp: &mut Qmp) -> Result<(), Error> {
    let capability = json!({ "capability": WITHOUT_SHARED_MEMORY, "state": true });
    qmp.execute("migrate-set-capabilities", &json!({ "capabilities": [capability] })).map(drop)
}

/// Asks until the answer has this status.
fn wait_until(qmp: &mut Qmp, command: &str, status: &str) -> Result<(), Error> {
    let deadline = Instant::now() + MIGRATION_LIMIT;
    loop {
        let answer = qmp.execute(command, &json!({}))?;
        match answer.get("status").and_then(Value::as_str) {
            Some(found) if found == status => return Ok(()),
            Some(found) if found == "failed" || Instant::now() >= deadline => {
                return Err(Error::Failed(format!(
                    "a machine's memory is to be moved, and is {found}: {answer}"
                )));
            }
            _ => thread::sleep(POLL),
        }
    }
}
