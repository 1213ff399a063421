//! Messages of 64 MiB, through rings of a two hundred and fiftieth of that.

use ivring_lab::witness::{End, Line, Outcomes, check_outcomes};

use crate::setup::{lab, lab_without_guests};
use crate::witness::{
    HOST, Witness, details, end_in, ends, journal_in, life_in, peer, start_in, wait_for_ends_in,
    wait_for_message_in,
};

const UUID: &str = "5a0c1f3e-7b42-4d5e-9c61-2f8e0d9b7a43";
/// Each side sends one, and sends the other's back; records go beside them.
const WORK: [&str; 6] = ["--large", "1", "--echo", "--ping", "--send", "5000"];
/// One of one's own and one sent back.
const ALL: Outcomes = Outcomes {
    came: 5000,
    undelivered: 0,
    delivered: 2,
    interrupted: 0,
    answered: 0,
    unanswered: 0,
    untold: 0,
};

/// Both messages came, came back, and every ping was answered meanwhile.
fn assert_all_went_well(here: &[Line], peer: &str, there: &[Line]) {
    assert_eq!(check_outcomes(here, peer, there, HOST), Ok(ALL), "to the guest");
    assert_eq!(check_outcomes(there, HOST, here, peer), Ok(ALL), "to the host");
    for (journal, with) in [(here, peer), (there, HOST)] {
        // But for one that was under way when the other side said good-bye.
        let lost = details(journal, with, "ping").into_iter().filter(|how| how != "Detached");
        assert_eq!(lost.collect::<Vec<_>>(), [""; 0], "each ping was answered");
        let pings = details(journal, with, "pings").pop().expect("they are noted at the end of the message");
        assert!(!pings.starts_with("0 "), "pings went on meanwhile: {pings}");
    }
}

#[test]
fn a_message_of_64_mib_goes_both_ways_at_once_and_back_while_pings_go_on() {
    let lab = lab_without_guests("64-mib");
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let peer = format!("{UUID}:witness");
    let mut host = Witness::host(&lab, &region.path(), &WORK);
    host.wait_for_event("region", "open");
    let mut guest = Witness::guest(&lab, &region.path(), UUID, &WORK);
    host.wait_for_ends(&peer, 2);
    guest.wait_for_ends(HOST, 2);
    host.wait_for_message(&peer, guest.life(), 4999);
    guest.wait_for_message(HOST, host.life(), 4999);
    guest.end();
    host.end();
    assert_eq!(ends(&host.journal(), &peer), [End::Delivered; 2]);
    assert_all_went_well(&host.journal(), &peer, &guest.journal());
}

#[test]
fn a_message_of_64_mib_goes_to_a_guest_and_from_it_and_back_while_pings_go_on() {
    let Some(lab) = lab("64-mib-guest") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let plan = lab.plan("web1", Some(&region));
    let peer = peer(&plan);
    let mut host = Witness::host(&lab, &region.path(), &WORK);
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    let process = start_in(&mut guest, &WORK);
    host.wait_for_ends(&peer, 2);
    wait_for_ends_in(&mut guest, 2);
    host.wait_for_message(&peer, life_in(&mut guest), 4999);
    wait_for_message_in(&mut guest, host.life(), 4999);
    end_in(&mut guest, &process);
    host.end();
    assert_all_went_well(&host.journal(), &peer, &journal_in(&mut guest));
}
