//! Programs of the host in the place of guests: no machine is needed, and they are killed more often.

use ivring_lab::witness::check;

use crate::setup::lab_without_guests;
use crate::witness::{HOST, Witness, details};

const UUID: &str = "0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f";

#[test]
fn nothing_is_lost_when_both_sides_are_killed_in_turn() {
    let lab = lab_without_guests("both-killed");
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let peer = format!("{UUID}:witness");
    let mut host = Witness::host(&lab, &region.path(), &["--send", "2000"]);
    host.wait_for_event("region", "open");
    let mut guest = Witness::guest(&lab, &region.path(), UUID, &["--send", "2000"]);
    for life in 1..=10 {
        host.wait_for_messages(&peer, life * 150);
        host.kill();
        host.start_again();
        guest.wait_for_messages(HOST, life * 150);
        guest.kill();
        guest.start_again();
    }
    host.wait_for_message(&peer, guest.life(), 1999);
    guest.wait_for_message(HOST, host.life(), 1999);
    let (here, there) = (host.journal(), guest.journal());
    check(&there, HOST, &here, &peer).expect("all that the guest published came");
    check(&here, &peer, &there, HOST).expect("all that the host published came");
    assert_eq!(details(&here, &peer, "undelivered"), [""; 0]);
}
