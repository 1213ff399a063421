//! Guests that send without end and take nothing.

use std::time::Instant;

use ivring_proto::link::{SendError, Topic};
use ivring_proto::session::{JoinRequest, Text, write_request};
use serde_json::Value;

use super::attacker::{Attacker, uuid};
use super::lies::request_of;
use super::neighbour::Neighbour;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

/// Memory that any attack here may take beside what is said: of the allocator, and of the daemon's own code as it is used
/// for the first time, in bytes.
pub const SLACK: u64 = 4 << 20;
/// The region, which is resident once it is touched.
pub const REGION: u64 = 1 << 20;
/// Answers that wait for one guest, in bytes.
const WAITING: u64 = 1 << 20;

/// What the daemon says of the guest of that name.
pub fn listed(daemon: &Daemon, name: &str) -> Value {
    let guests = daemon.guests();
    guests.into_iter().find(|guest| guest["name"] == name).expect("it has a channel")
}

/// Asserts that a guest has as few lines of that kind in the log as it may cause: some at once, then one a second.
pub fn lines_are_few(log: &str, with: &str, since: Instant) {
    let lines = log.lines().filter(|line| line.contains(with)).count();
    let most = 5 + since.elapsed().as_secs() + 1;
    assert!((1..=most).contains(&(lines as u64)), "{lines} lines, {most} at most: {log}");
}

#[test]
fn a_flood_of_messages_costs_neighbours_and_memory_nothing() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "flood");
    let before = daemon.most_memory();
    let topic = Topic::new("flood").unwrap();
    for number in 0..20_000_u32 {
        let payload = [0x55; 1024];
        attacker.until("room", |attacker| {
            let sent = attacker.link().send(topic, &payload);
            if sent.is_err() || number % 16 == 15 {
                attacker.link().flush();
            }
            sent.is_ok()
        });
    }
    attacker.is_heard();
    daemon.took_at_most(before, REGION + SLACK);
    assert_eq!(daemon.status()["unheard"], 20_000, "each is counted");
    neighbour.sent();
}

#[test]
fn requests_whose_answers_nobody_takes_are_bounded_counted_and_logged_now_and_then() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let since = Instant::now();
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "flood");
    let before = daemon.most_memory();
    // Empty ones first: they are many, and what is kept of each is not its payload.
    for (count, payload) in [(20_000, &[][..]), (4000, &[7; 1000])] {
        for id in 0..count {
            attacker.request(id, "ivring.echo", payload);
        }
    }
    daemon.took_at_most(before, WAITING + REGION + SLACK);
    let lost = listed(&daemon, "flood")["answers_lost"].as_u64().unwrap();
    assert!(lost > 10_000, "{lost}");
    let table = daemon.ok(&["ls"]);
    let head = table.lines().next().unwrap();
    assert!(head.contains("DROPPED") && head.ends_with("HELD"), "{table}");
    let row = table.lines().find(|line| line.starts_with("flood")).unwrap();
    assert!(row.contains(&format!(" {lost} ")) && row.ends_with("iB") && !row.ends_with(" 0 B"), "{table}");
    // It heals: who takes answers gets them again.
    attacker.is_heard();
    attacker.until("the answers that wait", |attacker| {
        attacker.receive();
        attacker.request(u64::MAX, "ivring.echo", b"again");
        attacker.receive().iter().any(|(_, id)| *id == u64::MAX)
    });
    neighbour.sent();
    lines_are_few(&daemon.stopped(), "an answer to", since);
}

#[test]
fn pings_that_find_no_room_for_their_pongs_are_counted() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "flood");
    let before = daemon.most_memory();
    for number in 0..20_000 {
        attacker.until("room", |attacker| {
            let sent = attacker.link().ping(number, &[7; 64]);
            attacker.link().flush();
            sent.is_ok()
        });
    }
    daemon.wait_for("pings are dropped", |_| {
        listed(&daemon, "flood")["pings_dropped"].as_u64().unwrap() > 10_000
    });
    daemon.took_at_most(before, REGION + SLACK);
    neighbour.sent();
}

#[test]
fn a_guest_that_never_gives_space_back_fills_its_own_ring_only() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "stalled");
    let mut sent = 0;
    let (code, text) = loop {
        let output = daemon.ivring(&["send", "stalled", "t", &"x".repeat(30_000)]).output().unwrap();
        if !output.status.success() {
            break (output.status.code(), String::from_utf8(output.stderr).unwrap());
        }
        sent += 1;
        assert!(sent < 10, "a ring of 64 KiB never fills");
    };
    assert!(code == Some(3) && text.contains("stalled is full"), "{text}");
    assert!(listed(&daemon, "stalled")["full"].as_u64().unwrap() > 0);
    assert_eq!(daemon.fails(&["ping", "stalled", "--count", "1", "--timeout", "0.1"]).0, 1);
    assert_eq!(attacker.receive().len(), sent, "the ping is answered by the link itself");
    neighbour.sent();
}

#[test]
fn join_requests_of_ever_new_guests_are_refused_counted_and_logged_now_and_then() {
    let place = Place::new();
    let arguments = ["--region", place.region(), "--size", "1M", "--channels", "1"];
    let daemon = Daemon::start_with(&place, &arguments);
    let since = Instant::now();
    let neighbour = Neighbour::beside(&daemon, &place);
    let before = daemon.most_memory();
    let attacker = Attacker::at(&place.region_path(), uuid(0), "");
    let refused = || daemon.status()["regions"][0]["refused"].as_u64().unwrap();
    let mut number = 0;
    let deadline = Instant::now() + LIMIT;
    while refused() < 3000 {
        assert!(Instant::now() < deadline);
        for cell in 0..16 {
            number += 1;
            let request = JoinRequest { name: Text::truncated("crowd"), ..request_of(uuid(number)) };
            write_request(&attacker.memory, attacker.geometry.cell(cell).unwrap(), &request);
        }
    }
    daemon.took_at_most(before, REGION + SLACK);
    assert_eq!(daemon.guests().len(), 1);
    let told = daemon.json(&["ls"])["refused"][0].take();
    assert_eq!(told["region"], place.region());
    assert!(told["count"].as_u64().unwrap() >= 3000, "{told}");
    let table = daemon.ok(&["ls"]);
    let line = table.lines().last().unwrap();
    let begins = format!(" requests to join {} were refused, ", place.region());
    assert!(line.contains(&begins) && line.contains(" ago that of crowd (6b7c1f2e-"), "{table}");
    assert!(
        line.ends_with(
            "all 1 channels are taken: evict a guest that is gone, or use a region with more channels"
        ),
        "{table}"
    );
    neighbour.sent();
    let log = daemon.stopped();
    let lines = log.lines().filter(|line| line.contains("is refused")).count();
    // Names are told apart, and cost a guest nothing: all of them together have a bound, too.
    let most = 300 + since.elapsed().as_secs() + 1;
    assert!((1..=most).contains(&(lines as u64)), "{lines} lines, {most} at most");
}

#[test]
fn a_full_ring_is_an_error_with_numbers_in_the_guest_too() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "flood");
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    daemon.wait();
    let topic = Topic::new("t").unwrap();
    let full = loop {
        if let Err(error) = attacker.link().send(topic, &[0; 1024]) {
            break error;
        }
    };
    assert!(matches!(full, SendError::Full { needed: 1056.., free: ..1056 }), "{full}");
}
