//! A guest that writes what cannot be right: its session is closed, it is counted, told with field and value, and shown for as
//! long as the daemon runs; a new join heals it.

use ivring_proto::link::{GuestEvent, SendError};
use ivring_proto::memory::Memory;
use ivring_proto::ring::Class;
use ivring_proto::session::CloseReason;
use serde_json::Value;

use super::attacker::{Attacker, uuid};
use super::floods::{lines_are_few, listed};
use super::neighbour::Neighbour;
use crate::place::Place;
use crate::running::Daemon;
use std::time::Instant;

/// A header of kind 0, in the attacker's own ring.
fn breaks_a_header(attacker: &mut Attacker) -> u64 {
    let position = attacker.link().tx().position();
    let ring = attacker.place().to_host;
    let at = ring.data + position % ring.capacity;
    // The tag of that position and session, which the attacker knows.
    let tag = ((position / 8) ^ attacker.end.offer().expect("attached").salt) & 0xff_ffff;
    attacker.memory.store_release(at, tag << 40 | 0x10);
    position
}

fn is_closed(attacker: &mut Attacker) {
    attacker.wait_for(|event| *event == GuestEvent::Detached(CloseReason::HostFault));
}

#[test]
fn a_fault_is_shown_with_field_and_value_and_stays_after_the_guest_has_joined_anew() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "breaker");
    assert_eq!(listed(&daemon, "breaker")["faults"], 0);
    let (quiet, table) = (listed(&daemon, "neighbour"), daemon.ok(&["ls"]));
    assert_eq!((&quiet["faults"], &quiet["last_fault"]), (&0.into(), &Value::Null));
    assert!(!table.contains("FAULTS") && !table.contains("fault of"), "{table}");

    let position = breaks_a_header(&mut attacker);
    is_closed(&mut attacker);
    let closed = listed(&daemon, "breaker");
    assert_eq!((&closed["state"], &closed["faults"]), (&"closed".into(), &1.into()), "{closed}");
    let reason = format!("at position {position} has kind 0");
    assert!(closed["last_fault"].as_str().unwrap().contains(&reason), "{closed}");

    // Healed, and not forgotten; and what was told of it does not grow old by what it does next.
    attacker.attach();
    let healed = listed(&daemon, "breaker");
    assert_eq!((&healed["state"], &healed["faults"]), (&"attached".into(), &1.into()), "{healed}");
    assert_eq!(healed["last_fault"], closed["last_fault"]);
    assert!(healed["last_fault_ms"].as_u64() >= closed["last_fault_ms"].as_u64());
    let table = daemon.ok(&["ls"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("FAULTS"), "{table}");
    let fault = lines.last().unwrap();
    assert!(fault.starts_with("fault of breaker:agent, ") && fault.contains(&reason), "{table}");
    assert!(fault.contains(" ago: header 0x"), "{table}");

    // Without a daemon's word a region says only how sessions stand; with one it says what was wrong.
    let inspected = daemon.ok(&["inspect", place.region()]);
    assert!(inspected.lines().any(|line| line == *fault || line.contains(&reason)), "{inspected}");
    let channels = daemon.json(&["inspect", place.region()])["channels"].take();
    let channel = channels.as_array().unwrap().iter().find(|channel| channel["name"] == "breaker").unwrap();
    assert_eq!(channel["faults"], 1, "{channel}");
    assert!(channel["last_fault"].as_str().unwrap().contains(&reason), "{channel}");

    // A good-bye gives the channel away, and still nothing is forgotten.
    attacker.end.bye();
    daemon.wait_for("it is gone", |guests| guests.iter().all(|guest| guest["name"] != "breaker"));
    attacker.restart();
    attacker.attach();
    assert_eq!(listed(&daemon, "breaker")["faults"], 1);
    assert_eq!(daemon.status()["regions"][0]["faults"], 1);
    neighbour.sent();
}

#[test]
fn a_guest_that_breaks_its_ring_over_and_over_is_counted_and_logged_now_and_then() {
    const FAULTS: u64 = 40;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let since = Instant::now();
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "breaker");
    let (memory, descriptors) = (daemon.most_memory(), daemon.descriptors());
    for _ in 0..FAULTS {
        breaks_a_header(&mut attacker);
        is_closed(&mut attacker);
        // Not a second later, as the protocol has it, but at once.
        attacker.restart();
        attacker.attach();
    }
    assert_eq!(listed(&daemon, "breaker")["faults"], FAULTS);
    daemon.took_at_most(memory, super::floods::SLACK);
    daemon.has_at_most(descriptors);
    neighbour.sent();
    lines_are_few(&daemon.stopped(), "broke its ring", since);
}

#[test]
fn a_record_that_is_no_envelope_is_named() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "breaker");
    for (kind, payload, words) in [
        (2, &[0; 3][..], "3 bytes"),
        (2, &[0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0], "200"),
        (7, &[0; 20], "fragment of 4 bytes"),
    ] {
        let link = attacker.link();
        link.tx().push(kind, Class::Message, &[payload]).unwrap();
        link.flush();
        is_closed(&mut attacker);
        let last = listed(&daemon, "breaker")["last_fault"].as_str().unwrap().to_owned();
        assert!(last.contains(words), "{last}");
        attacker.restart();
        attacker.attach();
    }
    assert_eq!(listed(&daemon, "breaker")["faults"], 3);
}

#[test]
fn listeners_are_told_of_a_fault_with_its_reason_as_data() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&["--json"]);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "breaker");
    let position = breaks_a_header(&mut attacker);
    let event = loop {
        let event = listen.json();
        if event["event"] == "fault" {
            break event;
        }
    };
    assert_eq!(
        (&event["name"], &event["detail"]["fault"]["kind"]["position"]),
        (&"breaker".into(), &position.into())
    );
}

#[test]
fn a_head_that_lies_closes_the_session_of_the_liar_only() {
    use ivring_proto::layout::control_word::HEAD;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "breaker");
    let at = attacker.place().to_guest.consumer + HEAD;
    attacker.memory.store_release(at, attacker.memory.load(at).wrapping_add(1 << 40));
    let file = place.directory().join("payload");
    std::fs::write(&file, vec![7; 20_000]).unwrap();
    let text = loop {
        let output =
            daemon.ivring(&["send", "breaker", "t", "--file", file.to_str().unwrap()]).output().unwrap();
        if !output.status.success() {
            break String::from_utf8(output.stderr).unwrap();
        }
    };
    assert!(text.contains("head "), "{text}");
    is_closed(&mut attacker);
    attacker.attach();
    assert!(!matches!(attacker.link().ping(1, &[]), Err(SendError::NotAttached)));
    neighbour.sent();
}
