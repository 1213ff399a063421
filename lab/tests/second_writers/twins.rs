//! Two agents with one UUID.

use crate::agent;
use crate::daemon::Daemon;
use crate::setup::{LIMIT, lab, output, wait_for};

#[test]
fn of_two_machines_with_one_uuid_the_second_is_refused_while_the_first_lives() {
    let Some(lab) = lab("twins") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", &region.path()]);
    let mut plans = [lab.plan("first", Some(&region)), lab.plan("second", Some(&region))];
    plans[1].uuid = plans[0].uuid.clone();
    plans.iter_mut().for_each(|plan| plan.agent = Some("run".to_owned()));
    let mut first = lab.boot(&plans[..1]).expect("it boots").remove(0);
    agent::wait_until_attached(&mut first);
    let mut second = lab.boot(&plans[1..]).expect("it boots").remove(0);
    daemon.wait_for_line(&["second", "is refused: a living guest has this UUID already"]);
    second.wait_for_line("a living guest has this UUID already", LIMIT).expect("the guest is told, too");
    daemon.wait_for_guest("first", "attached");
    daemon.assert_answers("first");

    // One that does not answer for two seconds loses to the newcomer, and does not take the channel back.
    first.pause().expect("it runs");
    agent::wait_until_attached(&mut second);
    daemon.wait_for_guest("second", "attached");
    first.resume().expect("it is paused");
    first.wait_for_line("ivring-agent ended with status 3", LIMIT).expect("its agent is superseded");
    // Its guest starts it anew, and it is refused.
    first.wait_for_line("a living guest has this UUID already", LIMIT).expect("it asks again");
    assert_eq!(daemon.guests().len(), 1);
    daemon.assert_answers("second");
}

#[test]
fn of_two_agents_in_one_machine_the_newer_one_stays() {
    let Some(lab) = lab("two-agents") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", &region.path()]);
    let mut guest = lab.boot(&[lab.plan("web1", Some(&region))]).expect("it boots").remove(0);
    let start = |socket: &str, ended: &str| {
        format!("(ivring-agent run --socket {socket}; echo $? >{ended}) >/dev/console 2>&1 &")
    };
    output(&mut guest, &start("/run/older", "/tmp/older"));
    daemon.wait_for_guest("web1", "attached");
    output(&mut guest, &start("/run/newer", "/tmp/newer"));
    wait_for("the older agent ends with 3", || {
        (guest.run("cat /tmp/older", LIMIT).expect("the guest answers").output.trim() == "3").then_some(())
    });
    daemon.wait_for_line(&["web1", "detached: a newer program with the same identity took the channel"]);
    daemon.wait_for_guest("web1", "attached");
    daemon.assert_answers("web1");
    assert_eq!(guest.run("cat /tmp/newer", LIMIT).expect("the guest answers").status, 1, "it goes on");
}
