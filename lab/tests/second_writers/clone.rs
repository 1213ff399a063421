//! Two machines go on from one snapshot, on one region: the same UUID, the same boot, the same session.

use std::{fs, slice};

use ivring_lab::{Guest, disks_or_skip};

use crate::agent;
use crate::daemon::Daemon;
use crate::disk::{add_disk, master};
use crate::heartbeat;
use crate::setup::{LIMIT, lab, output, wait_for};

/// Where a guest keeps how its agent ended.
const ENDED: &str = "/tmp/ended";

/// Starts the agent in a guest for once, as a service does whose program ends with a status not to be started again at.
fn start_agent(guest: &mut Guest) {
    output(guest, &format!("(ivring-agent run; echo $? >{ENDED}) >/dev/console 2>&1 &"));
}

fn is_attached(guest: &mut Guest) -> bool {
    agent::status(guest).is_some_and(|status| status["state"] == "attached")
}

/// Whether its agent has ended because another took its place.
fn has_ended(guest: &mut Guest) -> bool {
    guest.run(&format!("grep -qx 3 {ENDED}"), LIMIT).expect("the guest answers").status == 0
}

/// Waits until one of two machines has the channel and the agent of the other has ended for good.
fn one_stays(daemon: &Daemon<'_>, machines: [&mut Guest; 2]) {
    let [a, b] = machines;
    wait_for("one of two agents stays, and the other has ended", || {
        (is_attached(a) && has_ended(b) || is_attached(b) && has_ended(a)).then_some(())
    });
    daemon.wait_for_guest("db1", "attached");
    assert_eq!(daemon.guests().len(), 1);
    daemon.assert_answers("db1");
}

#[test]
fn of_two_machines_that_go_on_from_one_file_one_keeps_the_channel() {
    let Some(lab) = lab("clone") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let mut daemon = Daemon::start(&lab, &["--region", &region.path()]);
    let plan = master(&lab, "db1", &region);
    let mut machine = lab.boot(slice::from_ref(&plan)).expect("it boots").remove(0);
    start_agent(&mut machine);
    agent::wait_until_attached(&mut machine);
    let file = lab.folder().join("db1.state");
    // Nothing moves until both go on: so the region that comes with the file is the one that is there, and the two machines
    // differ in nothing.
    daemon.kill();
    machine.write_to(&file).expect("a master can be saved");
    let mut copy = plan;
    copy.name.push_str("-copy");
    copy.hardware.extend(["-incoming", "defer"].map(str::to_owned));
    let copy = lab.start(&copy).expect("it starts");
    let mut copy = copy.restore(&file).expect("it goes on");
    daemon.start_again();
    machine.resume().expect("it is paused");

    daemon.wait_for_line(&["db1", "detached: somebody else writes with the same identity"]);
    one_stays(&daemon, [&mut machine, &mut copy]);
}

#[test]
fn of_a_machine_and_its_snapshot_that_is_started_beside_it_one_keeps_the_channel() {
    let test = "clone-of-snapshot";
    let (Some(lab), Some(qemu_img)) = (lab(test), disks_or_skip(test)) else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", &region.path()]);
    let mut plan = master(&lab, "db1", &region);
    let mut copy = plan.clone();
    copy.name.push_str("-copy");
    add_disk(&lab, &qemu_img, &mut plan);
    let mut machine = lab.boot(&[plan]).expect("it boots").remove(0);
    start_agent(&mut machine);
    agent::wait_until_attached(&mut machine);
    machine.save("before").expect("a master can be saved");
    heartbeat::wait_for_another(&region.path(), heartbeat::read(&region.path()));
    let disk = |name: &str| lab.folder().join(format!("{name}.qcow2"));
    fs::copy(disk("db1"), disk(&copy.name)).expect("there is room");
    let drive = format!("if=none,format=qcow2,file={}", disk(&copy.name).display());
    copy.hardware.extend(["-drive", &drive, "-loadvm", "before"].map(str::to_owned));
    // This puts the region back as well, under the first machine.
    let mut copy = lab.start(&copy).expect("it starts").go_on().expect("it goes on");

    daemon.wait_for_line(&["somebody else writes here", "a snapshot or a copy was put back"]);
    daemon.wait_for_line(&["its guests join anew"]);
    one_stays(&daemon, [&mut machine, &mut copy]);
}
