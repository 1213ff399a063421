//! An agent in a virtual machine, used by the commands that an operator types there.

use std::time::Duration;

use serde::Deserialize;

use super::large::first_word;
use super::peer::Peer;
use crate::{Error, Flood, Guest};

/// How long a command in the guest may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Where the guest keeps what it has heard.
const HEARD: &str = "/run/heard";
/// The folder where it keeps a large message.
const LARGE: &str = "/run/large";
/// Waits until the agent has a listener.
const UNTIL_LISTENING: &str =
    "until ivring-agent status --json | grep -q '\"listeners\": 1'; do sleep 0.02; done";

/// A booted guest in which the agent runs.
#[derive(Debug)]
pub(super) struct Machine {
    guest: Guest,
    awaited: usize,
}

/// A line of `ivring-agent listen --json`.
#[derive(Deserialize)]
struct Line {
    text: String,
}

impl Machine {
    pub(super) fn new(guest: Guest) -> Self {
        Self { guest, awaited: 0 }
    }

    fn run(&mut self, script: &str) -> Result<String, Error> {
        let answer = self.guest.run(script, LIMIT)?;
        if answer.status == 0 {
            return Ok(answer.output);
        }
        Err(Error::Failed(format!(
            "guest {}: status {} of `{script}`: {}",
            self.guest.name(),
            answer.status,
            answer.output.trim()
        )))
    }
}

impl Peer for Machine {
    fn listen(&mut self, topic: &str, count: usize) -> Result<(), Error> {
        self.awaited = count;
        self.run(&format!(
            "ivring-agent listen --json --topic {topic} --count {count} >{HEARD} 2>&1 &\n{UNTIL_LISTENING}"
        ))
        .map(drop)
    }

    fn heard(&mut self) -> Result<Vec<String>, Error> {
        let output = self.run(&format!(
            "while [ $(wc -l <{HEARD}) -lt {} ]; do sleep 0.02; done; cat {HEARD}",
            self.awaited
        ))?;
        let texts = output.lines().map(|line| serde_json::from_str(line).map(|Line { text }| text));
        texts.collect::<Result<_, _>>().map_err(|error| {
            Error::Failed(format!("guest {}: ivring-agent listen: {error}: {output}", self.guest.name()))
        })
    }

    fn listen_for_one(&mut self, topic: &str) -> Result<(), Error> {
        self.run(&format!(
            "mkdir {LARGE}; ivring-agent listen --topic {topic} --count 1 --out {LARGE} >/dev/null 2>&1 &\n\
             echo $! >{LARGE}.listener; {UNTIL_LISTENING}"
        ))
        .map(drop)
    }

    fn checksum(&mut self) -> Result<String, Error> {
        let output = self.run(&format!(
            "while [ -d /proc/$(cat {LARGE}.listener) ]; do sleep 0.02; done; busybox sha256sum {LARGE}/*; rm -r {LARGE}"
        ))?;
        first_word(&output)
    }

    fn say(&mut self, topic: &str, texts: &[String]) -> Result<(), Error> {
        let commands: Vec<_> =
            texts.iter().map(|text| format!("ivring-agent send {topic} '{text}' --wait 5")).collect();
        self.run(&commands.join(" &&\n")).map(drop)
    }

    fn flood(&mut self, bytes: u32, span: Duration) -> Result<Flood, Error> {
        let output = self.run(&format!("ivring-flood {bytes} {}", span.as_millis()))?;
        serde_json::from_str(&output)
            .map_err(|error| Error::Failed(format!("ivring-flood printed {output:?}: {error}")))
    }

    fn stop(self: Box<Self>) -> Result<(), Error> {
        self.guest.power_off(LIMIT)
    }
}
