//! Guests that lose power, are reset or are paused.

use std::thread;
use std::time::Duration;

use ivring_lab::witness::{Line, check};
use ivring_lab::{BOOT_LIMIT, Guest, Lab, Plan};
use nix::sys::signal::Signal;

use crate::agent::wait_until_attached;
use crate::daemon::Daemon;
use crate::setup::{lab, wait_for};
use crate::witness::{
    HOST, Witness, details, journal_in, journal_on_console, life_in, peer, received, sent, start_in,
    start_on_console, undelivered, wait_for_message_in,
};

/// Short messages without end.
const SHORT: [&str; 4] = ["--send", "1000000", "--longest", "1000"];

/// A guest, yet to be started, and the path of its region.
fn plan(lab: &Lab) -> (Plan, String) {
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    (lab.plan("web1", Some(&region)), region.path())
}

fn boot(lab: &Lab, plan: &Plan) -> Guest {
    lab.start(plan).and_then(|guest| guest.wait(BOOT_LIMIT)).expect("it boots")
}

/// Stops the host under load, and waits until the guest has published what the host has not seen. Returns the guest's
/// journal.
fn stop_with_unseen_messages(host: &mut Witness, guest: &Guest, peer: &str) -> Vec<Line> {
    host.wait_for_messages(peer, 200);
    host.signal(Signal::SIGSTOP);
    // The host has noted all that it has received, but for one message at most.
    let seen = received(&host.journal(), peer);
    wait_for("messages that the host has not seen", || {
        let journal = journal_on_console(guest.console());
        (sent(&journal, HOST) > seen + 5).then_some(journal)
    })
}

#[test]
fn what_a_guest_published_before_its_power_failed_is_delivered() {
    let Some(lab) = lab("power-off") else { return };
    let (plan, region) = plan(&lab);
    let peer = peer(&plan);
    let mut host = Witness::host(&lab, &region, &[]);
    let mut guest = boot(&lab, &plan);
    start_on_console(&mut guest, &SHORT);
    let published = stop_with_unseen_messages(&mut host, &guest, &peer);
    guest.kill().expect("it runs");
    host.signal(Signal::SIGCONT);

    assert_eq!(host.wait_for_event(&peer, "detached"), "the virtual machine is gone, or its device");
    check(&published, HOST, &host.journal(), &peer).expect("all that the guest published came");
    let last = host.journal().pop();
    assert!(
        matches!(last, Some(Line::Event { what, .. }) if what == "detached"),
        "first the messages, then the end"
    );

    // The same machine again: a new boot on the same channel.
    let mut guest = boot(&lab, &plan);
    start_in(&mut guest, &["--send", "100"]);
    host.wait_for_message(&peer, life_in(&mut guest), 99);
    let attached = details(&host.journal(), &peer, "attached");
    assert_eq!(attached, ["channel 0 is new, web1"; 2]);
}

#[test]
fn a_reset_guest_is_told_apart_and_gets_its_channel_again() {
    let Some(lab) = lab("reset") else { return };
    let (plan, region) = plan(&lab);
    let peer = peer(&plan);
    let mut host = Witness::host(&lab, &region, &SHORT);
    let mut guest = boot(&lab, &plan);
    start_on_console(&mut guest, &SHORT);
    let published = stop_with_unseen_messages(&mut host, &guest, &peer);
    guest.reset().expect("it boots anew");
    let before = received(&journal_on_console(guest.console()), HOST);
    // Nobody receives now what the host sends on, until its ring is full.
    host.signal(Signal::SIGCONT);
    wait_for("messages that nobody receives", || (sent(&host.journal(), &peer) > before + 5).then_some(()));
    start_in(&mut guest, &["--send", "100"]);
    host.wait_for_message(&peer, life_in(&mut guest), 99);

    let here = host.journal();
    let end = here.iter().position(|line| matches!(line, Line::Event { what, .. } if what == "detached"));
    let (old, new) = here.split_at(end.expect("the old session has ended"));
    check(&published, HOST, old, &peer).expect("all that the guest published came before the end");
    assert_eq!(details(new, &peer, "detached"), ["the guest has booted anew"]);
    assert_eq!(details(&here, &peer, "attached"), ["channel 0 is new, web1"; 2]);
    let given_up = undelivered(&here, &peer).pop().expect("messages are reported that were given up");
    let sent_before = sent(old, &peer);
    let given_up = usize::try_from(given_up).expect("a number of messages");
    assert!(given_up >= sent_before - before, "{given_up} of {sent_before} given up, and {before} received");
    // What was given up is not delivered to the new boot: it begins with what was sent after.
    let there = wait_for("a message to the new boot", || {
        let there = journal_in(&mut guest);
        (received(&there, HOST) > 0).then_some(there)
    });
    let first = there.iter().find_map(|line| match line {
        Line::Received { number, again, .. } => Some((*number, *again)),
        _ => None,
    });
    assert_eq!(first, Some((sent_before as u64, false)));
}

#[test]
fn a_paused_guest_goes_on_unharmed() {
    let Some(lab) = lab("pause") else { return };
    let (plan, region) = plan(&lab);
    let peer = peer(&plan);
    let host = Witness::host(&lab, &region, &["--stale-after", "2", "--send", "3000"]);
    let mut guest = boot(&lab, &plan);
    start_in(&mut guest, &["--send", "3000"]);
    host.wait_for_messages(&peer, 100);
    guest.pause().expect("it runs");
    host.wait_for_event(&peer, "stale");
    // Longer than the host waits before it looks whether a silent guest's machine still runs.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(details(&host.journal(), &peer, "detached"), [""; 0]);
    assert_eq!(details(&host.journal(), &peer, "back"), [""; 0]);
    guest.resume().expect("it is paused");
    host.wait_for_event(&peer, "back");

    host.wait_for_message(&peer, life_in(&mut guest), 2999);
    wait_for_message_in(&mut guest, host.life(), 2999);
    let (here, there) = (host.journal(), journal_in(&mut guest));
    let from_guest = check(&there, HOST, &here, &peer).expect("all that the guest published came");
    let to_guest = check(&here, &peer, &there, HOST).expect("all that the host published came");
    assert_eq!((from_guest.repeats, to_guest.repeats), (0, 0));
    assert_eq!(details(&here, &peer, "attached").len(), 1);
    assert_eq!(details(&here, &peer, "detached"), [""; 0]);
}

#[test]
fn the_operator_sees_a_guest_paused_gone_and_back() {
    let Some(lab) = lab("operator") else { return };
    let (mut plan, region) = plan(&lab);
    plan.agent = Some("run".to_owned());
    let daemon = Daemon::start(&lab, &["--region", &region]);
    let mut guest = boot(&lab, &plan);
    let channel = wait_until_attached(&mut guest);
    guest.pause().expect("it runs");
    assert_eq!(daemon.wait_for_guest("web1", "stale")["channel"], channel);
    assert_eq!(daemon.ivring(&["ping", "web1", "--count", "1", "--timeout", "0.1"]).status, Some(1));
    guest.resume().expect("it is paused");
    daemon.wait_for_guest("web1", "attached");
    daemon.assert_answers("web1");

    guest.kill().expect("it runs");
    wait_for("its channel is free", || daemon.guests().is_empty().then_some(()));
    daemon.wait_for_line(&["web1", "the virtual machine is gone, or its device"]);
    let mut guest = boot(&lab, &plan);
    assert_eq!(wait_until_attached(&mut guest), channel);
    daemon.assert_answers_soon("web1");
}
