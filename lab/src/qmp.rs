//! QEMU's machine protocol: JSON objects, one a line.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Error;
use crate::channel::Channel;

/// How long QEMU may take for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection to the monitor of one QEMU process.
#[derive(Debug)]
pub struct Qmp {
    channel: Channel,
}

impl Qmp {
    /// Takes the greeting and switches the monitor to command mode.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the other side is no QEMU or does not answer before `deadline`.
    pub fn open(mut channel: Channel, deadline: Instant) -> Result<Self, Error> {
        let greeting = channel.line(deadline)?;
        if !greeting.contains("\"QMP\"") {
            return Err(Error::Failed(format!("QEMU's monitor greets with {greeting:?}")));
        }
        let mut qmp = Self { channel };
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns what it returns. Events that come in between are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with QEMU's own words if it refuses.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let deadline = Instant::now() + LIMIT;
        let request = json!({ "execute": command, "arguments": arguments });
        self.channel.send(format!("{request}\n").as_bytes())?;
        loop {
            let line = self.channel.line(deadline)?;
            let mut answer: Value = serde_json::from_str(&line).map_err(|e| {
                Error::Failed(format!("QEMU answers {command} with {line:?}, which is no JSON: {e}"))
            })?;
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(Error::Failed(format!("QEMU refuses {command}: {}", error["desc"])));
            }
        }
    }
}
