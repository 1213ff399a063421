//! Messages in fragments, begun and not ended, or echoed and not taken.

use ivring_proto::link::{Kind, Status};

use super::attacker::{Attacker, uuid};
use super::floods::{REGION, SLACK, listed};
use super::neighbour::Neighbour;
use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::Daemon;

const ATTACKERS: usize = 12;
/// Longest message, and what the region's guests may have of the daemon's memory each way, in bytes.
const MESSAGE: u64 = 2 << 20;
const REASSEMBLY: u64 = 8 << 20;
const HONEST: &str = "6b7c1f2e-0000-4000-8000-000000000001";

fn daemon(place: &Place) -> Daemon {
    Daemon::start_with(
        place,
        &[
            "--region",
            place.region(),
            "--size",
            "1M",
            "--channels",
            "15",
            "--max-message",
            "2M",
            "--max-reassembly",
            "8M",
        ],
    )
}

fn attackers(place: &Place) -> Vec<Attacker> {
    let attached = |number| Attacker::attached(&place.region_path(), uuid(number), &format!("a{number}"));
    (0..ATTACKERS as u128).map(attached).collect()
}

/// Sends a request with the longest payload there is, and does not wait for the answer.
fn asks_for_an_echo(attacker: &mut Attacker) {
    let mut fragment = attacker.transfer(Kind::Request, MESSAGE);
    while fragment.offset < MESSAGE {
        attacker.until("room", |attacker| attacker.piece(&mut fragment, "ivring.echo", usize::MAX));
    }
}

/// Waits until a request with the longest payload there is is answered with it.
fn is_echoed(guest: &FakeGuest) {
    let payload = vec![3; usize::try_from(MESSAGE).expect("it fits")];
    guest.request_large("ivring.echo", payload.clone());
    guest.wait_for(|seen| {
        matches!(seen, Seen::Response { status: Status::Ok, payload: answer, .. } if *answer == payload)
    });
}

fn honest_one_is_echoed(place: &Place) {
    is_echoed(&FakeGuest::attached(&place.region_path(), HONEST, "honest"));
}

#[test]
fn large_echoes_on_many_channels_that_nobody_takes_stay_within_one_bound() {
    let place = Place::new();
    let daemon = daemon(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attackers = attackers(&place);
    let before = daemon.most_memory();
    // One after the other: what each asks comes in whole, 72 MiB in all, and goes back as far as there is room.
    for attacker in &mut attackers {
        for _ in 0..3 {
            asks_for_an_echo(attacker);
        }
        // The host has received the last of it.
        let head = attacker.link().tx().position();
        attacker.until("the host", |attacker| attacker.link().tx().head().expect("a sound ring") == head);
    }
    // Beside what comes in and what goes out there is one message that is being passed on from here to there.
    daemon.took_at_most(before, 2 * REASSEMBLY + 2 * MESSAGE + REGION + SLACK);
    let lost: u64 = daemon.guests().iter().map(|guest| guest["answers_lost"].as_u64().unwrap()).sum();
    let kept = ATTACKERS as u64 * 3 - lost;
    assert!((1..=REASSEMBLY / MESSAGE).contains(&kept), "{kept} answers are kept");
    let held: u64 = daemon.guests().iter().map(|guest| guest["held_bytes"].as_u64().unwrap()).sum();
    assert!((kept * MESSAGE..REASSEMBLY + MESSAGE).contains(&held), "{held} bytes are held");
    let table = daemon.ok(&["ls"]);
    assert!(table.contains("DROPPED") && table.lines().next().unwrap().ends_with("HELD"), "{table}");
    neighbour.sent();
    // Those who leave give back what they held.
    for attacker in &mut attackers {
        attacker.end.bye();
    }
    daemon.wait_for("only honest guests", |guests| guests.iter().all(|guest| guest["name"] == "neighbour"));
    honest_one_is_echoed(&place);
    daemon.took_at_most(before, 2 * REASSEMBLY + 2 * MESSAGE + REGION + SLACK);
    let log = daemon.stopped();
    assert!(log.contains("too many that it or others do not receive wait already"), "{log}");
}

#[test]
fn what_guests_of_one_region_hold_is_not_missing_in_another() {
    let place = Place::new();
    let own = format!("{}-{HONEST}", place.region());
    let daemon = Daemon::start_with(
        &place,
        &[
            "--region",
            place.region(),
            "--region",
            &own,
            "--size",
            "1M",
            "--max-message",
            "2M",
            "--max-reassembly",
            "8M",
        ],
    );
    let neighbour = Neighbour::in_region(&daemon, &place.region_path_of(HONEST), HONEST);
    // All that the shared region's guests may have, both ways.
    let mut attackers = attackers(&place);
    for attacker in &mut attackers {
        asks_for_an_echo(attacker);
        asks_for_an_echo(attacker);
    }
    let mut parts: Vec<_> =
        attackers.iter_mut().map(|attacker| attacker.transfer(Kind::Request, MESSAGE)).collect();
    for (attacker, part) in attackers.iter_mut().zip(&mut parts) {
        for _ in 0..40 {
            attacker.until("room", |attacker| attacker.piece(part, "ivring.echo", usize::MAX));
        }
    }
    assert!(daemon.guests().iter().any(|guest| guest["answers_lost"] != 0));
    neighbour.sent();
    let guest = FakeGuest::attached(&place.region_path_of(HONEST), HONEST, "honest");
    is_echoed(&guest);
    let honest = listed(&daemon, "honest");
    assert_eq!((&honest["answers_lost"], &honest["declined"]), (&0.into(), &0.into()));
}

#[test]
fn parts_that_never_become_whole_stay_within_one_bound() {
    let place = Place::new();
    let daemon = daemon(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attackers = attackers(&place);
    let before = daemon.most_memory();
    let mut parts: Vec<_> =
        attackers.iter_mut().map(|attacker| attacker.transfer(Kind::Request, MESSAGE)).collect();
    // All but the last byte, all of them at once.
    while parts.iter().any(|part| part.offset < MESSAGE - 1) {
        for (attacker, part) in attackers.iter_mut().zip(&mut parts) {
            let left = usize::try_from(MESSAGE - 1 - part.offset).unwrap();
            if left > 0 {
                attacker.piece(part, "ivring.echo", left);
            }
            // It takes what the host says, so that it can say more.
            attacker.receive();
            attacker.poll();
        }
    }
    for attacker in &mut attackers {
        attacker.is_heard();
    }
    daemon.took_at_most(before, REASSEMBLY + REGION + SLACK);
    let stray: u64 = daemon.guests().iter().map(|guest| guest["stray_fragments"].as_u64().unwrap()).sum();
    let held: u64 = daemon.guests().iter().map(|guest| guest["held_bytes"].as_u64().unwrap()).sum();
    assert!((REASSEMBLY / 2..=REASSEMBLY).contains(&held), "{held} bytes are held");
    assert!(stray > 0, "for some there was no memory, and what came of them after that is counted");
    neighbour.sent();
    for attacker in &mut attackers {
        attacker.end.bye();
    }
    daemon.wait_for("only honest guests", |guests| guests.iter().all(|guest| guest["name"] == "neighbour"));
    honest_one_is_echoed(&place);
}

#[test]
fn a_thousand_transfers_begun_and_left_cost_what_one_does() {
    let place = Place::new();
    let daemon = daemon(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "starter");
    let before = daemon.most_memory();
    for _ in 0..1000 {
        let mut fragment = attacker.transfer(Kind::Request, MESSAGE);
        attacker.until("room", |attacker| attacker.piece(&mut fragment, "ivring.echo", 1));
        // And a piece out of the midst of one that was never begun.
        let mut stray = attacker.transfer(Kind::Request, MESSAGE);
        stray.offset = 1000;
        attacker.until("room", |attacker| attacker.piece(&mut stray, "ivring.echo", 1));
        attacker.receive();
    }
    attacker.is_heard();
    daemon.took_at_most(before, REGION + SLACK);
    assert_eq!(listed(&daemon, "starter")["stray_fragments"], 1000);
    neighbour.sent();
    honest_one_is_echoed(&place);
}

#[test]
fn a_promise_beyond_the_longest_message_is_declined() {
    let place = Place::new();
    let daemon = daemon(&place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "boaster");
    let before = daemon.most_memory();
    for total in [MESSAGE + 1, 1 << 40, u64::MAX] {
        let mut fragment = attacker.transfer(Kind::Request, total);
        let transfer = fragment.transfer;
        attacker.until("room", |attacker| attacker.piece(&mut fragment, "ivring.echo", 100));
        attacker.until("its end", |attacker| attacker.receive().contains(&(Kind::End, transfer)));
    }
    daemon.took_at_most(before, REGION + SLACK);
}
