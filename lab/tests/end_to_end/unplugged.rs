//! A device that goes away under the agent, and comes back.

use crate::agent::{status, wait_for_status, wait_until_attached};
use crate::daemon::Daemon;
use crate::setup::{lab, output};

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

    // As the kernel does it when the host takes the device away.
    output(guest, &format!("echo 1 > /sys/bus/pci/devices/{place}/remove"));
    let lost = wait_for_status(guest, "has lost its device", |status| status["state"] == "waiting");
    let reason = lost["reason"].as_str().expect("it says why");
    assert_eq!(reason, format!("PCI device {place} is gone: it was unplugged or removed"));

    output(guest, "echo 1 > /sys/bus/pci/rescan");
    wait_until_attached(guest);
    let after = status(guest).expect("it answers");
    assert_eq!(after["pid"], before["pid"], "it is still the same process");
    daemon.assert_answers("web1");
}
