//! Messages of 64 MiB, through rings of a two hundred and fiftieth of that.

use ivring_lab::witness::{End, Line, Outcomes, check_outcomes};

use crate::setup::lab_without_guests;
use crate::witness::{HOST, Witness, details, ends};

const UUID: &str = "5a0c1f3e-7b42-4d5e-9c61-2f8e0d9b7a43";
/// Each side sends one, and sends the other's back; records go beside them.
const WORK: [&str; 6] = ["--large", "1", "--echo", "--ping", "--send", "5000"];
/// One of one's own and one sent back.
const ALL: Outcomes =
    Outcomes { came: 5000, undelivered: 0, delivered: 2, interrupted: 0, answered: 0, unanswered: 0, untold: 0 };

/// Both messages came, came back, and every ping was answered meanwhile.
fn assert_all_went_well(here: &[Line], peer: &str, there: &[Line]) {
    assert_eq!(check_outcomes(here, peer, there, HOST), Ok(ALL), "to the guest");
    assert_eq!(check_outcomes(there, HOST, here, peer), Ok(ALL), "to the host");
    for (journal, with) in [(here, peer), (there, HOST)] {
        assert_eq!(details(journal, with, "ping"), [""; 0], "each ping was answered");
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
