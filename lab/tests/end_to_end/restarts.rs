//! A thousand restarts of one side, and what they leave in the other.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{Lab, Process};
use ivring_proto::control::{Client, Request, Service, Target};
use ivring_vm_config::Shmem;
use nix::sys::signal::Signal;

use crate::setup::{LIMIT, lab_without_guests, programs, wait_for};

const UUID: &str = "2b7d9c1a-5e3f-4c8b-a6d4-1f0e9b8c7d6a";
const RESTARTS: u32 = 1000;
/// After so many the survivor has all the memory that it ever needs.
const WARM: u32 = 100;
/// Memory that may come and go by chance, in KiB: less than half a KiB for each restart.
const CHANCE: u64 = 400;
/// How soon it is looked again whether a program that starts is there.
const LOOK: Duration = Duration::from_millis(1);

/// A region with a daemon and an agent, which are processes of the host.
struct Place {
    lab: Lab,
    region: Shmem,
}

impl Place {
    fn new(test: &str) -> Self {
        let lab = lab_without_guests(test);
        let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
        Self { lab, region }
    }

    fn daemon(&self) -> Process {
        let mut command = Command::new(&programs().artifacts.ivringd);
        command.args(["--region", self.region.name(), "--socket"]).arg(self.lab.folder().join("ivringd"));
        self.lab.spawn("ivringd", command).expect("it starts")
    }

    fn agent(&self) -> Process {
        let mut command = Command::new(&programs().artifacts.agent);
        command.args(["run", "--id", UUID, "--name", "web1", "--region", &self.region.path(), "--socket"]);
        command.arg(self.lab.folder().join("agent"));
        self.lab.spawn("agent", command).expect("it starts")
    }

    /// Waits until the agent answers a ping of the daemon, and returns the channel that the daemon lists.
    fn wait_for_answer(&self) -> u64 {
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

    /// Ends and starts one side over and over, by SIGKILL and SIGTERM in turn, and compares what the other one holds.
    fn restart(&self, side: &mut Process, start: impl Fn() -> Process, survivor: &mut Process) {
        let mut before = None;
        for round in 0..RESTARTS {
            if round == WARM {
                before = Some(Footprint::of(survivor));
            }
            let signal = if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
            side.signal(signal).expect("it runs");
            side.wait(LIMIT).expect("it ends");
            *side = start();
            assert_eq!(self.wait_for_answer(), 0, "the channel is the same, {round} restarts on");
        }
        let before = before.expect("it is more than warm");
        // What the last one left may take a moment.
        wait_for(&format!("as little as {before:?} and not {:?}", Footprint::of(survivor)), || {
            let now = Footprint::of(survivor);
            (now.descriptors <= before.descriptors && now.memory <= before.memory + CHANCE).then_some(())
        });
        assert_eq!(survivor.status().expect("it can be asked"), None, "it has gone on");
        let regions = fs::read_dir("/dev/shm").expect("it can be read").filter_map(Result::ok);
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(self.region.name());
        assert_eq!(regions.map(name).filter(|own| *own).count(), 1, "there is one region");
    }
}

/// What a process holds.
#[derive(Debug)]
struct Footprint {
    descriptors: usize,
    /// Memory of its own, in KiB.
    memory: u64,
}

impl Footprint {
    fn of(process: &Process) -> Self {
        let folder = Path::new("/proc").join(process.id().to_string());
        let descriptors = fs::read_dir(folder.join("fd")).expect("it runs").count();
        let status = fs::read_to_string(folder.join("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let memory =
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).expect("a number of KiB");
        Self { descriptors, memory }
    }
}

#[test]
fn a_thousand_restarts_of_the_agent_leave_nothing_in_the_daemon() {
    let place = Place::new("agents");
    let (mut daemon, mut agent) = (place.daemon(), place.agent());
    place.restart(&mut agent, || place.agent(), &mut daemon);
}

#[test]
fn a_thousand_restarts_of_the_daemon_leave_nothing_in_the_agent() {
    let place = Place::new("daemons");
    let (mut daemon, mut agent) = (place.daemon(), place.agent());
    place.restart(&mut daemon, || place.daemon(), &mut agent);
}
