//! Runs commands in a guest, over its second serial port.
//!
//! The port carries nothing else, so no marker can be mistaken for output. A request is a line `number seconds length`
//! and as many bytes of shell script; the answer is a line `number status length` and as many bytes of output. The
//! other end is `init.sh`. A serial port needs no module, so this works with every kernel that has a console.

use std::time::{Duration, Instant};

use crate::Error;
use crate::channel::Channel;

/// What the guest says on the port once it takes commands.
const READY: &str = "ready";
/// How much longer than the guest the host waits for a command.
const GRACE: Duration = Duration::from_secs(5);

/// What a command in a guest came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The exit status; 137 also when the time was over.
    pub status: u8,
    /// Output and messages, in the order they were written.
    pub output: String,
}

/// The shell of a guest that has booted.
#[derive(Debug)]
pub struct Shell {
    channel: Channel,
    number: u64,
}

impl Shell {
    /// Waits until the guest takes commands.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not before `deadline`.
    pub fn wait(mut channel: Channel, deadline: Instant) -> Result<Self, Error> {
        while channel.line(deadline)? != READY {}
        Ok(Self { channel, number: 0 })
    }

    /// The shell of a guest that was restored from a snapshot, in which it took commands already.
    pub fn restored(channel: Channel) -> Self {
        Self { channel, number: 0 }
    }

    /// Waits until the guest takes commands again after a reboot.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not before `deadline`.
    pub fn wait_again(&mut self, deadline: Instant) -> Result<(), Error> {
        while self.channel.line(deadline)? != READY {}
        Ok(())
    }

    /// Starts `script` without waiting for its end; nothing else can be run until its answer was taken.
    fn request(&mut self, script: &str, limit: Duration) -> Result<(), Error> {
        self.number += 1;
        let seconds = limit.as_secs().max(1);
        self.channel.send(format!("{} {seconds} {}\n{script}", self.number, script.len()).as_bytes())
    }

    /// Runs `script` in the guest; it is killed there after `limit`, in whole seconds.
    ///
    /// A process it leaves in the background goes on, and does not hold up the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the guest does not answer, for instance because it is paused. The shell is of no use then.
    pub fn run(&mut self, script: &str, limit: Duration) -> Result<Answer, Error> {
        self.request(script, limit)?;
        let deadline = Instant::now() + limit + GRACE;
        let line = self.channel.line(deadline)?;
        let (status, length) = self.parse(&line).ok_or_else(|| {
            Error::Failed(format!("the guest's shell answered {line:?} to request {}", self.number))
        })?;
        let output = self.channel.bytes(length, deadline)?;
        Ok(Answer { status, output: String::from_utf8_lossy(&output).into_owned() })
    }

    fn parse(&self, line: &str) -> Option<(u8, usize)> {
        let mut words = line.split(' ');
        let number: u64 = words.next()?.parse().ok()?;
        let status = words.next()?.parse().ok()?;
        let length = words.next()?.parse().ok()?;
        (number == self.number && words.next().is_none()).then_some((status, length))
    }
}
