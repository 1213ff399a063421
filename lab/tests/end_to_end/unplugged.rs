//! A device that goes away under the agent, and comes back.

use crate::agent::{status, wait_for_status, wait_until_attached};
use crate::daemon::Daemon;
use crate::doctor::Checks;
use crate::setup::{lab, output};
use ivring_lab::Guest;

#[test]
fn an_agent_outlives_its_device_and_joins_it_when_it_is_back() {
    let Some(lab) = lab("unplugged") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    let mut guests = lab.boot(&[plan]).expect("it boots");
    let guest = &mut guests[0];
    wait_until_attached(guest);
    let before = status(guest).expect("it answers");
    let place = before["region"]["place"].as_str().expect("an address").to_owned();
    assert_doctors_find_nothing(&daemon, guest, &place);

    // As the kernel does it when the host takes the device away.
    output(guest, &format!("echo 1 > /sys/bus/pci/devices/{place}/remove"));
    let lost = wait_for_status(guest, "has lost its device", |status| status["state"] == "waiting");
    let reason = lost["reason"].as_str().expect("it says why");
    assert_eq!(reason, format!("PCI device {place} is gone: it was unplugged or removed"));

    let found = Checks::in_guest(guest);
    found.assert("device", "failed", "PCI devices is ivshmem (1af4:1110)");
    found.assert("session", "failed", &format!("the agent waits: {reason}"));
    found.assert("permission", "unknown", "not looked at, because of device");

    output(guest, "echo 1 > /sys/bus/pci/rescan");
    wait_until_attached(guest);
    let after = status(guest).expect("it answers");
    assert_eq!(after["pid"], before["pid"], "it is still the same process");
    daemon.assert_answers_soon("web1");
}

/// Both doctors walk to the end of their chains.
fn assert_doctors_find_nothing(daemon: &Daemon, guest: &mut Guest, place: &str) {
    let found = Checks::in_guest(guest);
    for (check, says) in [
        ("device", place),
        ("driver", "no driver"),
        ("bar", "BAR 2 has 8 MiB"),
        ("permission", "can be mapped"),
        ("decoding", "answers accesses"),
        ("superblock", "15 channels in 8 MiB"),
        ("versions", "the session 1.1"),
        ("host-heartbeat", "moves"),
        ("identity", "as the agent says"),
        ("agent", "and answers"),
        ("session", "attached to region"),
        ("rings", "0 B of"),
        ("waiting-profile", "balanced"),
    ] {
        found.assert(check, "ok", says);
    }
    let found = Checks::on_host(daemon, "web1");
    for (check, says) in [
        ("guest", "calls itself web1"),
        ("daemon", "serves 1 region"),
        ("superblock", "15 channels in 8 MiB"),
        ("host-heartbeat", "moves"),
        ("qemu-maps", "of this VM has /dev/shm/"),
        ("session", "attached in"),
        ("guest-heartbeat", "moves"),
        ("rings", "0 B of"),
        ("answer", "answers after"),
    ] {
        found.assert(check, "ok", says);
    }
}
