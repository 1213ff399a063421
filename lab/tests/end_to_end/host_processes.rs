//! Programs of the host in the place of guests: no machine is needed, so they can be killed more often, and at the moments
//! that matter.

use ivring_lab::witness::{Line, What, check};
use nix::sys::signal::Signal;

use crate::setup::{lab_without_guests, wait_for};
use crate::witness::{HOST, Witness, undelivered};

const UUID: &str = "0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f";

/// Stops `reader`, and waits until `writer` has published much that it has not seen. The names are what they call each
/// other.
fn stop_with_much_unseen((reader, its): (&mut Witness<'_>, &str), (writer, name): (&Witness<'_>, &str)) {
    reader.signal(Signal::SIGSTOP);
    let seen = reader.journal();
    wait_for("a hundred unseen messages", || {
        (unseen(&writer.journal(), its, &seen, name) > 100).then_some(())
    });
}

/// How many messages a writer has noted after the last one that a reader has.
fn unseen(writer: &[Line], to: &str, reader: &[Line], from: &str) -> usize {
    let last = reader.iter().rev().find_map(|line| match line {
        Line::Received { peer, what: What::Record, life, number, .. } if peer == from => {
            Some((*life, *number))
        }
        _ => None,
    });
    let (mut present, mut count) = (0, 0);
    for line in writer {
        match line {
            Line::Start { life } => present = *life,
            Line::Sent { peer, what: What::Record, number, .. } if peer == to => {
                count = if Some((present, *number)) == last { 0 } else { count + 1 };
            }
            _ => {}
        }
    }
    count
}

#[test]
fn nothing_is_lost_when_both_sides_are_killed_in_turn() {
    let lab = lab_without_guests("both-killed");
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let peer = format!("{UUID}:witness");
    // Without end, so that there is always something on its way; a ring holds some hundreds of them.
    let load = ["--send", "1000000", "--longest", "1000"];
    let mut host = Witness::host(&lab, &region.path(), &load);
    host.wait_for_event("region", "open");
    let mut guest = Witness::guest(&lab, &region.path(), UUID, &load);
    host.wait_for_messages(&peer, 1);
    for _ in 0..8 {
        stop_with_much_unseen((&mut host, HOST), (&guest, &peer));
        host.go_on_and_kill();
        host.start_again(&load);

        stop_with_much_unseen((&mut guest, &peer), (&host, HOST));
        guest.go_on_and_kill();
        guest.start_again(&load);
        guest.wait_for_event_of_this_life(HOST, "attached");

        // The guest's program ends and another asks for its channel before the host has seen what it published.
        stop_with_much_unseen((&mut host, HOST), (&guest, &peer));
        guest.kill();
        guest.start_again(&load);
        host.signal(Signal::SIGCONT);
        guest.wait_for_event_of_this_life(HOST, "attached");
    }
    let last = ["--send", "100"];
    for side in [&mut host, &mut guest] {
        side.kill();
        side.start_again(&last);
    }
    host.wait_for_message(&peer, guest.life(), 99);
    guest.wait_for_message(HOST, host.life(), 99);
    let (here, there) = (host.journal(), guest.journal());
    let to_host = check(&there, HOST, &here, &peer).expect("all that the guest published came");
    let to_guest = check(&here, &peer, &there, HOST).expect("all that the host published came");
    assert!(to_host.repeats > 0 && to_guest.repeats > 0, "each was killed with messages in hand");
    assert_eq!(undelivered(&here, &peer), [0_u64; 0]);
}

#[test]
fn a_batch_comes_again_whole_when_its_receiver_is_killed_before_it_is_done_with_it() {
    let lab = lab_without_guests("batch-killed");
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let peer = format!("{UUID}:witness");
    // With a window, more than the batch would come again.
    let work = ["--send", "1000000", "--longest", "500", "--batch", "100", "--window", "0"];
    let mut host = Witness::host(&lab, &region.path(), &work);
    host.wait_for_event("region", "open");
    let mut guest = Witness::guest(&lab, &region.path(), UUID, &work);
    host.wait_for_messages(&peer, 1);
    for _ in 0..4 {
        stop_with_much_unseen((&mut host, HOST), (&guest, &peer));
        host.go_on_and_kill();
        host.start_again(&work);
        stop_with_much_unseen((&mut guest, &peer), (&host, HOST));
        guest.go_on_and_kill();
        guest.start_again(&work);
        guest.wait_for_event_of_this_life(HOST, "attached");
    }
    let last = ["--send", "100", "--batch", "100"];
    for side in [&mut host, &mut guest] {
        side.kill();
        side.start_again(&last);
    }
    host.wait_for_message(&peer, guest.life(), 99);
    guest.wait_for_message(HOST, host.life(), 99);
    let (here, there) = (host.journal(), guest.journal());
    let to_host = check(&there, HOST, &here, &peer).expect("each batch came again, and all the rest came");
    let to_guest = check(&here, &peer, &there, HOST).expect("each batch came again, and all the rest came");
    assert!(to_host.repeats >= 4 && to_guest.repeats >= 4, "{to_host:?} {to_guest:?}");
}
