//! The connection to a monitor: the greeting, commands and their answers, events.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thiserror::Error;

/// The longest line taken. What QEMU answers to anything asked here has some KiB.
const LONGEST_LINE: usize = 4 << 20;
/// Events that are kept for somebody who may wait for them. The oldest goes when there are more.
const MOST_EVENTS: usize = 64;
/// The events that are kept; others are dropped.
const KEPT: [&str; 2] = ["DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR"];

/// Why the monitor did not answer as asked.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// Nobody listens there, or nobody may connect.
    #[error(
        "cannot connect: {0}; is it the socket of -qmp unix:PATH,server=on,wait=off of a QEMU that runs?"
    )]
    Connect(io::Error),
    /// Nothing was said in time.
    #[error(
        "no answer to {command} within {} s: another program may be connected, for a monitor has one client at a \
         time; or QEMU stands still",
        patience.as_secs_f64()
    )]
    Silent {
        /// What was asked; `the greeting` if nothing was yet.
        command: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The connection ended.
    #[error("QEMU closed the connection instead of an answer to {command}: has it ended?")]
    Closed {
        /// What was asked.
        command: String,
    },
    /// The other side does not speak QMP.
    #[error(
        "it does not speak QMP: it says {said:?}; a monitor for people (-monitor) is another one, see qmp commands"
    )]
    NoQmp {
        /// The beginning of what it says.
        said: String,
    },
    /// A line without an end.
    #[error("QEMU sent a line of more than {LONGEST_LINE} bytes as answer to {command}")]
    TooLong {
        /// What was asked.
        command: String,
    },
    /// QEMU refused.
    #[error("QEMU refuses {command}: {reason}")]
    Refused {
        /// What was asked.
        command: String,
        /// Its own words.
        reason: String,
    },
    /// The answer has not the form that QEMU's own description gives it.
    #[error("QEMU answers {command} with {answer}, which cannot be read")]
    Unexpected {
        /// What was asked.
        command: String,
        /// The beginning of the answer.
        answer: String,
    },
    /// The connection failed.
    #[error("the connection failed at {command}: {source}")]
    Io {
        /// What was asked.
        command: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl MonitorError {
    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connection",
            Self::Silent { .. } => "silent",
            Self::Closed { .. } => "closed",
            Self::NoQmp { .. } => "no-qmp",
            Self::Refused { .. } => "qemu",
            Self::TooLong { .. } | Self::Unexpected { .. } => "garbled",
            Self::Io { .. } => "io",
        }
    }
}

/// A connection to the monitor of one QEMU process, in command mode.
#[derive(Debug)]
pub struct Monitor {
    stream: UnixStream,
    /// What was received behind the last line that was taken.
    received: Vec<u8>,
    /// How much of `received` is known to hold no end of a line.
    searched: usize,
    events: VecDeque<Value>,
    patience: Duration,
    /// Number of the last command.
    number: u64,
    version: String,
}

impl Monitor {
    /// Connects to the socket at `path`. Blocks at most for `patience`, and so does each command afterwards.
    ///
    /// # Errors
    ///
    /// [`MonitorError`].
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, MonitorError> {
        Self::over(UnixStream::connect(path).map_err(MonitorError::Connect)?, patience)
    }

    /// The same over a connection that QEMU has made.
    ///
    /// # Errors
    ///
    /// [`MonitorError`].
    pub fn over(stream: UnixStream, patience: Duration) -> Result<Self, MonitorError> {
        let mut monitor = Self {
            stream,
            received: Vec::new(),
            searched: 0,
            events: VecDeque::new(),
            patience,
            number: 0,
            version: String::new(),
        };
        let line = monitor.line("the greeting", Instant::now() + patience)?;
        let greeting: Value = serde_json::from_slice(&line).unwrap_or_default();
        let Some(version) = greeting.pointer("/QMP/version/qemu") else {
            return Err(MonitorError::NoQmp { said: beginning(&String::from_utf8_lossy(&line)) });
        };
        let part = |name: &str| version[name].as_u64().unwrap_or_default();
        monitor.version = format!("{}.{}.{}", part("major"), part("minor"), part("micro"));
        monitor.execute("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// The version of QEMU, such as `7.2.22`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The connection.
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// How long one answer may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Runs a command and returns what it returns. Events and late answers that come in between do not count.
    ///
    /// # Errors
    ///
    /// [`MonitorError::Refused`] with QEMU's own words, and the others.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, MonitorError> {
        let deadline = Instant::now() + self.patience;
        self.number += 1;
        let id = format!("ivring-{}", self.number);
        let request = json!({ "execute": command, "arguments": arguments, "id": id });
        self.send(command, format!("{request}\n").as_bytes(), deadline)?;
        loop {
            let mut message = self.message(command, deadline)?;
            if message.get("event").is_some() {
                self.keep(message);
                continue;
            }
            // QEMU gives no id back with an answer to what it could not read at all: that is ours as well.
            let other = message.get("id").is_some_and(|found| *found != id.as_str());
            if other {
                continue;
            }
            if let Some(result) = message.get_mut("return") {
                return Ok(result.take());
            }
            let reason = message.pointer("/error/desc").and_then(Value::as_str);
            return Err(match reason {
                Some(reason) => {
                    MonitorError::Refused { command: command.to_owned(), reason: beginning(reason) }
                }
                None => unexpected(command, &message),
            });
        }
    }

    /// Waits at most until `deadline` for an event that `wanted` takes, which may have come before. `None` if none does.
    ///
    /// # Errors
    ///
    /// [`MonitorError`], but not that it is silent.
    pub fn wait_for(
        &mut self,
        wanted: impl Fn(&Value) -> bool,
        deadline: Instant,
    ) -> Result<Option<Value>, MonitorError> {
        loop {
            if let Some(at) = self.events.iter().position(&wanted) {
                return Ok(self.events.remove(at));
            }
            match self.message("an event", deadline) {
                Ok(message) if message.get("event").is_some() => self.keep(message),
                Ok(_) => {}
                Err(MonitorError::Silent { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn keep(&mut self, event: Value) {
        if KEPT.iter().any(|&name| event["event"] == name) {
            if self.events.len() == MOST_EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
    }

    fn message(&mut self, command: &str, deadline: Instant) -> Result<Value, MonitorError> {
        let line = self.line(command, deadline)?;
        let message = serde_json::from_slice(&line).ok().filter(Value::is_object);
        message.ok_or_else(|| MonitorError::Unexpected {
            command: command.to_owned(),
            answer: format!("{:?}", beginning(&String::from_utf8_lossy(&line))),
        })
    }

    fn send(&mut self, command: &str, mut bytes: &[u8], deadline: Instant) -> Result<(), MonitorError> {
        while !bytes.is_empty() {
            let left = self.left(command, deadline)?;
            let sent = self.stream.set_write_timeout(Some(left)).and_then(|()| self.stream.write(bytes));
            match sent {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) => self.failed(command, error)?,
            }
        }
        Ok(())
    }

    /// The next line, without its end.
    fn line(&mut self, command: &str, deadline: Instant) -> Result<Vec<u8>, MonitorError> {
        loop {
            if let Some(end) = self.received[self.searched..].iter().position(|&byte| byte == b'\n') {
                let rest = self.received.split_off(self.searched + end + 1);
                self.searched = 0;
                let mut line = std::mem::replace(&mut self.received, rest);
                line.truncate(line.trim_ascii_end().len());
                // Blank lines say nothing.
                if line.is_empty() {
                    continue;
                }
                return Ok(line);
            }
            self.searched = self.received.len();
            if self.received.len() > LONGEST_LINE {
                return Err(MonitorError::TooLong { command: command.to_owned() });
            }
            let left = self.left(command, deadline)?;
            let mut buffer = [0; 16 << 10];
            let got = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut buffer));
            match got {
                Ok(0) => return Err(MonitorError::Closed { command: command.to_owned() }),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) => self.failed(command, error)?,
            }
        }
    }

    /// The time that is left. The deadline counts here and not only while nothing comes: a flood of events ends too.
    fn left(&self, command: &str, deadline: Instant) -> Result<Duration, MonitorError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(MonitorError::Silent { command: command.to_owned(), patience: self.patience });
        }
        Ok(left)
    }

    /// What an error of the socket comes to: nothing if it can be tried again, in the time that is left.
    fn failed(&self, command: &str, source: io::Error) -> Result<(), MonitorError> {
        let command = command.to_owned();
        match source.kind() {
            ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(()),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Err(MonitorError::Closed { command }),
            _ => Err(MonitorError::Io { command, source }),
        }
    }
}

/// The error for an answer of another form.
pub(super) fn unexpected(command: &str, answer: &Value) -> MonitorError {
    MonitorError::Unexpected { command: command.to_owned(), answer: beginning(&answer.to_string()) }
}

/// The beginning of what QEMU said, for a message on a terminal.
fn beginning(text: &str) -> String {
    const MOST: usize = 300;
    let mut shown: String = text.chars().take(MOST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
