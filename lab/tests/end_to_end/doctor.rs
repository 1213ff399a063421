//! What the doctors of both sides find.

use std::process::Command;

use ivring_lab::Guest;
use serde_json::Value;

use crate::daemon::{Daemon, run};
use crate::setup::{LIMIT, programs};

/// The lines of a doctor.
#[derive(Debug)]
pub struct Checks(Vec<Value>);

impl Checks {
    /// Those of `ivring-agent doctor` in a guest.
    pub fn in_guest(guest: &mut Guest) -> Self {
        let answer = guest.run("ivring-agent doctor --json 2>/dev/null", LIMIT).expect("the guest answers");
        Checks(serde_json::from_str(&answer.output).expect("a list"))
    }

    /// Those of `ivring doctor` for one guest, on a host whose libvirt has nothing to do with it.
    pub fn on_host(daemon: &Daemon, guest: &str) -> Self {
        let mut command = Command::new(&programs().artifacts.ivring);
        command.args(["doctor", guest, "--json", "--socket"]).arg(daemon.socket());
        let answer = run(command.env("LIBVIRT_DEFAULT_URI", "test:///default"));
        Checks(serde_json::from_str(&answer.output).expect("a list"))
    }

    /// Asserts how a check ended, and a part of what it says.
    #[track_caller]
    pub fn assert(&self, check: &str, verdict: &str, says: &str) {
        let line = self.0.iter().find(|line| line["check"] == check);
        let line = line.unwrap_or_else(|| panic!("no line {check} in {self:?}"));
        assert_eq!(line["verdict"], verdict, "{line}");
        assert!(line["says"].as_str().is_some_and(|said| said.contains(says)), "{line}");
    }
}
