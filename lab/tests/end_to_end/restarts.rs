//! A thousand restarts of one side, and what they leave in the other.

use std::fs;
use std::path::Path;

use ivring_lab::Process;
use nix::sys::signal::Signal;

use crate::place::Place;
use crate::setup::{LIMIT, wait_for};

const RESTARTS: u32 = 1000;
/// After so many the survivor has all the memory that it ever needs.
const WARM: u32 = 100;
/// Memory that may come and go by chance, in KiB: less than half a KiB for each restart.
const CHANCE: u64 = 400;

/// Ends and starts one side over and over, by SIGKILL and SIGTERM in turn, and compares what the other one holds.
fn restart(place: &Place, side: &mut Process, start: impl Fn() -> Process, survivor: &mut Process) {
    let mut before = None;
    for round in 0..RESTARTS {
        if round == WARM {
            before = Some(Footprint::of(survivor));
        }
        let signal = if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
        side.signal(signal).expect("it runs");
        side.wait(LIMIT).expect("it ends");
        *side = start();
        assert_eq!(place.wait_for_answer(), 0, "the channel is the same, {round} restarts on");
    }
    let before = before.expect("it is more than warm");
    // What the last one left may take a moment.
    wait_for(&format!("as little as {before:?} and not {:?}", Footprint::of(survivor)), || {
        let now = Footprint::of(survivor);
        (now.descriptors <= before.descriptors && now.memory <= before.memory + CHANCE).then_some(())
    });
    assert_eq!(survivor.status().expect("it can be asked"), None, "it has gone on");
    let regions = fs::read_dir("/dev/shm").expect("it can be read").filter_map(Result::ok);
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(place.region.name());
    assert_eq!(regions.map(name).filter(|own| *own).count(), 1, "there is one region");
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
    restart(&place, &mut agent, || place.agent(), &mut daemon);
}

#[test]
fn a_thousand_restarts_of_the_daemon_leave_nothing_in_the_agent() {
    let place = Place::new("daemons");
    let (mut daemon, mut agent) = (place.daemon(), place.agent());
    restart(&place, &mut daemon, || place.daemon(), &mut agent);
}
