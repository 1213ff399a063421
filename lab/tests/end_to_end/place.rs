//! A daemon and an agent side by side, without a machine.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{Lab, Process};
use ivring_proto::control::{Client, Request, Service, Target};
use ivring_vm_config::Shmem;

use crate::setup::{LIMIT, lab_without_guests, programs};

const UUID: &str = "2b7d9c1a-5e3f-4c8b-a6d4-1f0e9b8c7d6a";
/// How soon it is looked again whether a program that starts is there.
const LOOK: Duration = Duration::from_millis(1);

/// A region with a daemon and an agent, which are processes of the host.
pub struct Place {
    pub lab: Lab,
    pub region: Shmem,
}

impl Place {
    /// Nothing runs yet.
    pub fn new(test: &str) -> Self {
        let lab = lab_without_guests(test);
        let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
        Self { lab, region }
    }

    /// Starts `ivringd`.
    pub fn daemon(&self) -> Process {
        let mut command = Command::new(&programs().artifacts.ivringd);
        command.args(["--region", self.region.name(), "--socket"]).arg(self.lab.folder().join("ivringd"));
        self.lab.spawn("ivringd", command).expect("it starts")
    }

    /// Starts `ivring-agent`.
    pub fn agent(&self) -> Process {
        let mut command = Command::new(&programs().artifacts.agent);
        command.args(["run", "--id", UUID, "--name", "web1", "--region", &self.region.path(), "--socket"]);
        command.arg(self.lab.folder().join("agent"));
        self.lab.spawn("agent", command).expect("it starts")
    }

    /// Waits until the agent answers a ping of the daemon, and returns the channel that the daemon lists.
    pub fn wait_for_answer(&self) -> u64 {
        let target = Target { guest: Some(UUID.to_owned()), region: None };
        let ping = Request::Ping { target, bytes: 56, timeout_ms: 20_000 };
        let deadline = Instant::now() + LIMIT;
        loop {
            let connect = || {
                let mut client = Client::connect(Service::Daemon, &self.lab.folder().join("ivringd")).ok()?;
                client.call(&ping, &[]).ok()?;
                client.call(&Request::List, &[]).ok()
            };
            if let Some((listed, _)) = connect() {
                let listed: serde_json::Value = listed.payload().expect("a list");
                let guests = listed["guests"].as_array().expect("a list of guests");
                assert_eq!(guests.len(), 1, "one guest has one channel: {listed}");
                return guests[0]["channel"].as_u64().expect("a number");
            }
            assert!(Instant::now() < deadline, "no answer; see {}", self.lab.logs().display());
            thread::sleep(LOOK);
        }
    }

    /// `ivring`, to be asked something of the daemon.
    pub fn ivring(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs().artifacts.ivring);
        command.arg("--socket").arg(self.lab.folder().join("ivringd")).args(arguments);
        command
    }

    /// A command of `ivring-agent`, to be asked something of the agent.
    pub fn agent_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs().artifacts.agent);
        command.args(arguments).arg("--socket").arg(self.lab.folder().join("agent"));
        command
    }
}
