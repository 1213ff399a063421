//! Programs and machines that end in the midst of messages in fragments.

use std::fs;
use std::thread;
use std::time::Duration;

use ivring_lab::witness::{check, check_outcomes};
use ivring_lab::{BOOT_LIMIT, Guest};
use nix::sys::signal::Signal;

use crate::setup::{lab, lab_without_guests, wait_for};
use crate::witness::{
    HOST, Witness, end_in, ends, journal_in, journal_on_console, peer, start_in, start_on_console,
    wait_for_ends_in,
};

const UUID: &str = "7c9b2e10-3d4f-4a6b-8c7d-9e0f1a2b3c4d";
/// Messages of sixteen rings without end, and others beside them.
const WORK: [&str; 6] = ["--large", "1000000", "--length", "4194304", "--send", "1000"];
/// The last of them.
const LAST: [&str; 6] = ["--large", "2", "--length", "4194304", "--send", "100"];

/// Stops `reader` when `writer` has sent two more messages, and waits until others are stuck: they are longer than the ring.
fn stop_in_the_midst(reader: &mut Witness<'_>, writer: &Witness<'_>, name: &str) {
    let ended = ends(&writer.journal(), name).len();
    writer.wait_for_ends(name, ended + 2);
    reader.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_millis(100));
}

#[test]
fn every_message_in_fragments_ends_as_its_sender_is_told_when_both_sides_are_killed_in_turn() {
    let lab = lab_without_guests("fragments-killed");
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let peer = format!("{UUID}:witness");
    let mut host = Witness::host(&lab, &region.path(), &WORK);
    host.wait_for_event("region", "open");
    let mut guest = Witness::guest(&lab, &region.path(), UUID, &WORK);
    for _ in 0..3 {
        stop_in_the_midst(&mut guest, &host, &peer);
        guest.kill();
        guest.start_again(&WORK);

        stop_in_the_midst(&mut host, &guest, HOST);
        host.kill();
        host.start_again(&WORK);
        guest.wait_for_ends(HOST, 1);
    }
    for side in [&mut host, &mut guest] {
        side.kill();
        side.start_again(&LAST);
    }
    host.wait_for_message(&peer, guest.life(), 99);
    guest.wait_for_message(HOST, host.life(), 99);
    host.wait_for_ends_of_this_life(&peer, 2);
    guest.wait_for_ends_of_this_life(HOST, 2);
    guest.end();
    host.end();

    let (here, there) = (host.journal(), guest.journal());
    check(&there, HOST, &here, &peer).expect("all short ones that the guest published came");
    check(&here, &peer, &there, HOST).expect("all short ones that the host published came");
    let to_host = check_outcomes(&there, HOST, &here, &peer).expect("the guest was told of each");
    let to_guest = check_outcomes(&here, &peer, &there, HOST).expect("the host was told of each");
    for outcomes in [to_host, to_guest] {
        assert!(outcomes.delivered >= 2, "{outcomes:?}");
        assert!(
            outcomes.interrupted >= 3,
            "the peer was killed three times in the midst of one: {outcomes:?}"
        );
        assert!(outcomes.untold <= 8, "two for each time that the sender was killed: {outcomes:?}");
    }
}

/// Stops the host in the midst of messages each way, and waits until the guest's console has all that was written to it.
fn stop_with_guest_in_the_midst(host: &mut Witness<'_>, guest: &Guest) {
    host.signal(Signal::SIGSTOP);
    let length = || fs::metadata(guest.console()).expect("the console is kept").len();
    wait_for("silence on the console", || {
        let before = length();
        thread::sleep(Duration::from_millis(300));
        (length() == before).then_some(())
    });
}

#[test]
fn whoever_sends_to_a_guest_that_is_reset_or_loses_power_is_told_what_did_not_arrive() {
    let Some(lab) = lab("cut-off") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let plan = lab.plan("web1", Some(&region));
    let boot = || lab.start(&plan).and_then(|guest| guest.wait(BOOT_LIMIT)).expect("it boots");
    let peer = peer(&plan);
    // So many short ones that there are always some on their way.
    let without_end = [&WORK[..4], &["--send", "1000000"]].concat();
    let mut host = Witness::host(&lab, &region.path(), &without_end);
    let mut guest = boot();
    start_on_console(&mut guest, &WORK);
    host.wait_for_ends(&peer, 1);
    stop_with_guest_in_the_midst(&mut host, &guest);
    guest.reset().expect("it boots anew");
    host.signal(Signal::SIGCONT);
    start_on_console(&mut guest, &WORK);
    host.wait_for_detail(&peer, "detached", "the guest has booted anew");
    let told = ends(&host.journal(), &peer).len();
    host.wait_for_ends(&peer, told + 2);

    stop_with_guest_in_the_midst(&mut host, &guest);
    let on_console = journal_on_console(guest.console());
    guest.kill().expect("it runs");
    host.signal(Signal::SIGCONT);
    host.wait_for_detail(&peer, "detached", "the virtual machine is gone, or its device");

    let mut guest = boot();
    let process = start_in(&mut guest, &LAST);
    wait_for_ends_in(&mut guest, 2);
    host.end();
    end_in(&mut guest, &process);
    let (here, there) = (host.journal(), [on_console, journal_in(&mut guest)].concat());
    let to_guest = check_outcomes(&here, &peer, &there, HOST).expect("the host was told of each");
    let to_host = check_outcomes(&there, HOST, &here, &peer).expect("what came whole came, and nothing else");
    assert!(to_guest.interrupted >= 2 && to_guest.undelivered > 0, "twice cut off: {to_guest:?}");
    assert_eq!(to_guest.untold, 0, "the host went on");
    assert!((2..=4).contains(&to_host.untold), "two were under way each time: {to_host:?}");
}
