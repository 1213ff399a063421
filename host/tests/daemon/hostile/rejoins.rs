//! Guests that join and leave without end.

use std::time::Instant;

use ivring_proto::link::{GuestEvent, Kind};
use ivring_proto::session::write_request;

use super::attacker::{Attacker, uuid};
use super::floods::{REGION, SLACK, lines_are_few, listed};
use super::neighbour::Neighbour;
use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::Daemon;

const JOINS: u128 = 100;
const HONEST: &str = "6b7c1f2e-0000-4000-8000-000000000001";

#[test]
fn a_guest_that_joins_and_leaves_in_a_loop_costs_no_memory_no_descriptors_and_few_lines() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let since = Instant::now();
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "again");
    let (memory, descriptors) = (daemon.most_memory(), daemon.descriptors());
    for _ in 0..JOINS {
        attacker.end.bye();
        attacker.restart();
        attacker.attach();
    }
    daemon.took_at_most(memory, SLACK);
    daemon.has_at_most(descriptors);
    // Its counters are those of the last time: each time it left for good.
    assert_eq!(
        listed(&daemon, "again")["received"],
        0,
        "pings are answered by the link, and counted by nobody"
    );
    neighbour.sent();
    let log = daemon.stopped();
    for what in ["attached to", "detached: "] {
        lines_are_few(&log, &format!("again (6b7c1f2e-0000-4000-9000-000000000001:agent) {what}"), since);
    }
}

#[test]
fn programs_that_take_the_channel_from_each_other_cost_no_memory_and_few_lines() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let since = Instant::now();
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "again");
    let memory = daemon.most_memory();
    for _ in 0..JOINS {
        // No good-bye: the next has the same boot, and wins.
        attacker.restart();
        attacker.attach();
    }
    daemon.took_at_most(memory, SLACK);
    neighbour.sent();
    let log = daemon.stopped();
    for what in ["attached to", "detached: a newer program"] {
        lines_are_few(&log, &format!("again (6b7c1f2e-0000-4000-9000-000000000001:agent) {what}"), since);
    }
}

#[test]
fn guests_with_ever_new_names_cost_no_memory_and_few_lines() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let memory = daemon.most_memory();
    for number in 0..JOINS {
        let mut attacker = Attacker::attached(&place.region_path(), uuid(number), &format!("n{number}"));
        attacker.end.bye();
    }
    daemon.took_at_most(memory, REGION + SLACK);
    daemon.wait_for("only the neighbour", |guests| guests.len() == 1);
    neighbour.sent();
}

#[test]
fn the_next_to_have_a_channel_is_not_shown_what_the_one_before_did() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "before");
    let mut stray = attacker.transfer(Kind::Request, 2000);
    stray.offset = 1000;
    assert!(attacker.piece(&mut stray, "t", 1));
    attacker.is_heard();
    let before = listed(&daemon, "before");
    assert_eq!((&before["stray_fragments"], &before["channel"]), (&1.into(), &0.into()));
    attacker.end.bye();
    daemon.wait_for("it is gone", <[_]>::is_empty);
    let mut next = Attacker::attached(&place.region_path(), uuid(2), "next");
    let mut first = next.transfer(Kind::Request, 2000);
    assert!(next.piece(&mut first, "t", 1));
    next.is_heard();
    let next = listed(&daemon, "next");
    assert_eq!((&next["stray_fragments"], &next["channel"]), (&0.into(), &0.into()));
}

#[test]
fn a_guest_that_takes_all_channels_is_seen_and_can_be_put_out() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    // Under names of its own making: in a region for all, nothing stands against that.
    let mut attackers: Vec<_> =
        (1..=3).map(|number| Attacker::attached(&place.region_path(), uuid(number), "crowd")).collect();
    // And one that is offered a channel and never takes it.
    let request = super::lies::request_of(uuid(4));
    write_request(&attackers[0].memory, attackers[0].geometry.cell(0).unwrap(), &request);
    daemon.wait_for("all channels are taken", |guests| guests.len() == 4);
    let honest = FakeGuest::join(&place.region_path(), HONEST, "honest");
    assert!(honest.refusal().contains("all 4 channels are taken: evict a guest that is gone"));
    let table = daemon.ok(&["ls"]);
    assert!(table.contains("joining") && table.contains("requests to join"), "{table}");
    daemon.ok(&["evict", &uuid(4).to_string()]);
    honest.wait_for(|seen| matches!(seen, Seen::Event(GuestEvent::Attached { .. })));
    honest.is_heard();
    for attacker in &mut attackers {
        attacker.is_heard();
    }
}
