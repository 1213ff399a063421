//! Guests that join and leave without end.

use std::time::Instant;

use super::attacker::{Attacker, uuid};
use super::floods::{REGION, SLACK, lines_are_few, listed};
use super::neighbour::Neighbour;
use crate::place::Place;
use crate::running::Daemon;

const JOINS: u128 = 100;

#[test]
fn a_guest_that_joins_and_leaves_in_a_loop_costs_no_memory_no_descriptors_and_few_lines() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    daemon.wait_for("the neighbour", |guests| !guests.is_empty());
    let since = Instant::now();
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "again");
    let (memory, descriptors) = (daemon.most_memory(), daemon.descriptors());
    for _ in 0..JOINS {
        attacker.end.bye();
        attacker.restart();
        attacker.attach();
    }
    daemon.took_at_most(memory, SLACK);
    assert_eq!(daemon.descriptors(), descriptors);
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
