//! The witness at work on both sides.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ivring_lab::witness::{Line, read_journal};
use ivring_lab::{Guest, Lab, Plan, Process};
use nix::sys::signal::Signal;

use crate::setup::{output, wait_for};

/// What a guest's witness calls its peer.
pub const HOST: &str = "host";
/// Where a guest's witness keeps its journal.
const JOURNAL: &str = "/tmp/journal";

/// The witness as the host of a region. Its journal goes on over its lives.
pub struct HostWitness<'a> {
    lab: &'a Lab,
    arguments: Vec<String>,
    journal: PathBuf,
    process: Process,
}

impl<'a> HostWitness<'a> {
    /// Starts it on the region at `path`.
    pub fn start(lab: &'a Lab, path: &str, arguments: &[&str]) -> Self {
        let journal = lab.logs().join("host.journal");
        let mut all = vec!["host".to_owned(), "--region".to_owned(), path.to_owned()];
        all.extend(["--journal".to_owned(), journal.display().to_string()]);
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let process = Self::spawn(lab, &all);
        Self { lab, arguments: all, journal, process }
    }

    fn spawn(lab: &Lab, arguments: &[String]) -> Process {
        // Linked as usual: looking up a group's name in a static program crashes in glibc.
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-witness"));
        command.args(arguments);
        lab.spawn("host-witness", command).expect("it starts")
    }

    /// SIGKILL: it writes nothing more.
    pub fn kill(&mut self) {
        assert_eq!(self.process.status().expect("it can be asked"), None, "it should run until now");
        self.process.kill().expect("it ends");
    }

    /// Starts it again, with the same arguments.
    pub fn start_again(&mut self) {
        self.process = Self::spawn(self.lab, &self.arguments);
    }

    /// Stops it, so that it sees nothing, or lets it go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal).expect("it runs");
    }

    pub fn journal(&self) -> Vec<Line> {
        read_journal(&fs::read_to_string(&self.journal).unwrap_or_default())
    }

    /// Waits until the journal holds `count` messages received from `peer`.
    pub fn wait_for_messages(&self, peer: &str, count: usize) {
        wait_for(&format!("{count} messages from {peer}; see {}", self.journal.display()), || {
            (received(&self.journal(), peer) >= count).then_some(())
        });
    }

    /// Waits for an event, and returns its detail.
    pub fn wait_for_event(&self, peer: &str, what: &str) -> String {
        wait_for(&format!("{what} of {peer}; see {}", self.journal.display()), || {
            details(&self.journal(), peer, what).pop()
        })
    }
}

/// How many messages a journal holds that were received from `peer`, repeats included.
pub fn received(journal: &[Line], from: &str) -> usize {
    journal.iter().filter(|line| matches!(line, Line::Received { peer, .. } if peer == from)).count()
}

/// How many messages a journal holds that were sent to `peer`.
pub fn sent(journal: &[Line], to: &str) -> usize {
    journal.iter().filter(|line| matches!(line, Line::Sent { peer, .. } if peer == to)).count()
}

/// The details of all events of a kind with a peer.
pub fn details(journal: &[Line], with: &str, kind: &str) -> Vec<String> {
    let detail = |line: &Line| match line {
        Line::Event { peer, what, detail } if peer == with && what == kind => Some(detail.clone()),
        _ => None,
    };
    journal.iter().filter_map(detail).collect()
}

/// What the host calls the witness in a guest.
pub fn peer(plan: &Plan) -> String {
    format!("{}:witness", plan.uuid)
}

/// Starts a witness in a guest and returns its process there. The journal goes on over its lives.
pub fn start_in(guest: &mut Guest, send: u32) -> String {
    // The console is a log that outlives the guest.
    let command = format!("ivring-witness guest --port witness --journal {JOURNAL} --send {send}");
    output(guest, &format!("{command} >/dev/console 2>&1 & echo $!"))
}

/// The journal of the witness in a guest.
pub fn journal_in(guest: &mut Guest) -> Vec<Line> {
    read_journal(&output(guest, &format!("cat {JOURNAL}")))
}

/// Waits until the witness in a guest has received `count` messages.
pub fn wait_for_messages_in(guest: &mut Guest, count: usize) {
    wait_for(&format!("{count} messages in {}", guest.name()), || {
        let lines = output(guest, &format!("grep -c '\"received\"' {JOURNAL} || true"));
        (lines.parse::<usize>().ok()? >= count).then_some(())
    });
}
