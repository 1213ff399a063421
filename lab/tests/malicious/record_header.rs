//! The 8 bytes before every payload (§3.1, §8.1), in the rings of both ways.

use ivring_guest::Event as GuestEvent;
use ivring_host::{Event as HostEvent, HostSendError};
use ivring_lab::malicious_peer::{Scribe, Way, envelope};
use ivring_proto::layout::entry_word;
use ivring_proto::link::{EnvelopeError, LinkError, SendError};
use ivring_proto::ring::Fault;

use crate::world::World;

const WAYS: [Way; 2] = [Way::ToHost, Way::ToGuest];
const MESSAGE: u8 = 2;

fn message() -> Vec<u8> {
    envelope(7, 0, 0, "topic", b"thirteen bytes")
}

/// Puts the message into the ring under the header that `lie` makes, and returns what it was.
fn put(world: &mut World, way: Way, lie: impl FnOnce(&Scribe) -> u64) -> (Scribe, u64) {
    let mut scribe = world.scribe(way);
    let header = lie(&scribe);
    scribe.put(header, &message());
    (scribe, header)
}

/// Position of the header that was put last, and the room from there.
fn place(scribe: &Scribe) -> (u64, u64) {
    let span = (8 + message().len() as u64).next_multiple_of(8);
    (scribe.position - span, scribe.room() + span)
}

#[test]
fn length() {
    for way in WAYS {
        let mut world = World::new();
        let right = 8 + message().len() as u64;
        let half = world.scribe(way).capacity() / 2;
        let room = |world: &mut World| world.scribe(way).room();
        for what in 0..13 {
            let room = room(&mut world);
            let length = [
                0,
                1,
                7,
                8,
                23,
                right - 1,
                right + 1,
                half + 1,
                half + 8,
                room + 1,
                room + 8,
                u64::from(u32::MAX),
                u64::from(u32::MAX) - 7,
            ][what];
            let (scribe, _) = put(&mut world, way, |scribe| scribe.header(length, MESSAGE));
            let (position, _) = place(&scribe);
            let name = format!("a length of {length}");
            if length < 8 || length > room {
                world.finds(way, &name, Fault::Length { position, length, room });
            } else if length > half {
                world.finds(way, &name, Fault::TooLong { position, length, max: half });
            } else if length < 24 {
                let length = usize::try_from(length - 8).expect("small");
                world.finds(way, &name, EnvelopeError::Short { length });
            } else {
                // A byte more or less is another message, and its sender's own business.
                world.until(&name, |world| payload(world, way).is_some());
                let got = payload(&world, way).map(|payload| payload.len() as u64);
                assert_eq!(got, Some(length - 8 - 16 - 5), "{name}");
                world.found_nothing(&name);
                world.heals();
            }
        }
        world.finish();
    }
}

fn payload(world: &World, way: Way) -> Option<Vec<u8>> {
    match way {
        Way::ToHost => world.at_host.iter().find_map(|event| match event {
            HostEvent::Message { topic, payload, .. } if topic == "topic" => Some(payload.clone()),
            _ => None,
        }),
        Way::ToGuest => world.at_guest.iter().find_map(|event| match event {
            GuestEvent::Message { topic, payload, .. } if topic == "topic" => Some(payload.clone()),
            _ => None,
        }),
    }
}

#[test]
fn kind() {
    for way in WAYS {
        let mut world = World::new();
        for kind in [0, 1, 3, 4, 5, 6, 7, 8, 9, 0x7f, 0xfe, 0xff] {
            let length = 8 + message().len() as u64;
            let (scribe, header) = put(&mut world, way, |scribe| scribe.header(length, kind));
            let (position, room) = place(&scribe);
            let name = format!("a message as kind {kind}");
            match kind {
                0 => world.finds(way, &name, Fault::Kind { position, header }),
                1 => world.finds(way, &name, Fault::Padding { position, length, room }),
                7 => {
                    let error = EnvelopeError::Fragment { length: 14, offset: 0, total: 0, of: 0 };
                    world.finds(way, &name, error);
                }
                _ => {
                    world.until_received(way, &scribe, &name);
                    world.found_nothing(&name);
                    assert_eq!(payload(&world, way), None, "{name}");
                    world.heals();
                }
            }
        }
        world.finish();
    }
}

#[test]
fn tag() {
    for way in WAYS {
        let mut world = World::new();
        let length = 8 + message().len() as u64;
        for what in 0..9 {
            let channel = world.neighbours_channel();
            let anothers = world.peer.scribe(channel, way);
            let wrong = |scribe: &Scribe| {
                let right = scribe.tag(scribe.position);
                let lap = scribe.position.wrapping_sub(scribe.capacity());
                [
                    ("zero", 0),
                    ("the largest", 0xff_ffff),
                    ("of the next word", scribe.tag(scribe.position + 8)),
                    ("of the word before", scribe.tag(scribe.position.wrapping_sub(8))),
                    ("of the lap before", scribe.tag(lap)),
                    ("another channel's", anothers.tag(scribe.position)),
                    ("without its low byte", right & 0xff_ff00),
                    ("without its high byte", right & 0x00_ffff),
                    ("of another salt", right ^ 0x5a_5a5a),
                ][what]
            };
            let right = world.scribe(way).header(length, MESSAGE);
            let (what, found) = wrong(&world.scribe(way));
            let header = right & 0xff_ffff_ffff | found << 40;
            if header == right {
                continue;
            }
            let (scribe, _) = put(&mut world, way, |_| header);
            let (position, _) = place(&scribe);
            let expected = scribe.tag(position);
            world.finds(way, &format!("a tag: {what}"), Fault::Tag { position, header, found, expected });
        }
        world.finish();
    }
}

#[test]
fn the_whole_word() {
    for way in WAYS {
        let mut world = World::new();
        let length = 8 + message().len() as u64;
        for what in 0..6 {
            // The header of an earlier record, and one of the session before this one, as they were right.
            let mut scribe = world.scribe(way);
            let earlier = scribe.header(length, MESSAGE);
            scribe.put(earlier, &message());
            world.until_received(way, &scribe, "a record that is right");
            let replayed = scribe.header(length, MESSAGE);
            world.heals();
            let (position, right) = {
                let scribe = world.scribe(way);
                (scribe.position, scribe.header(length, MESSAGE))
            };
            let (what, header) = [
                ("the largest", u64::MAX),
                ("1", 1),
                ("torn: its low half", right & 0xffff_ffff),
                ("torn: its high half", right & !0xffff_ffff),
                ("an earlier record's", earlier),
                ("of an earlier session", replayed),
            ][what];
            let (scribe, _) = put(&mut world, way, |_| header);
            let (found, expected) = (header >> 40, scribe.tag(position));
            let fault = if found == expected {
                let room = place(&scribe).1;
                Fault::Length { position, length: header & 0xffff_ffff, room }
            } else {
                Fault::Tag { position, header, found, expected }
            };
            world.finds(way, what, fault);
        }
        world.finish();
    }
}

/// Has the reader pass harmless records up to `left` bytes before the end of the ring.
fn fill(world: &mut World, way: Way, left: u64) -> Scribe {
    let mut scribe = world.scribe(way);
    while scribe.room() != left {
        let length = scribe.room().checked_sub(left).unwrap_or(scribe.room());
        scribe.skip(length.min(scribe.capacity() / 8));
        world.until_received(way, &scribe, "records of no known kind");
    }
    scribe
}

const PADDING: u8 = 1;

#[test]
fn padding_that_ends_elsewhere() {
    for way in WAYS {
        let mut world = World::new();
        for what in 0..5 {
            let mut scribe = fill(&mut world, way, 64);
            let (position, room) = (scribe.position, scribe.room());
            assert_eq!(room, 64);
            let length = [8, 56, 63, 57, 16][what];
            scribe.put(scribe.header(length, PADDING), &[]);
            let fault = Fault::Padding { position, length, room };
            world.finds(way, &format!("a padding of {length} bytes"), fault);
        }
        world.finish();
    }
}

#[test]
fn padding_with_nothing_behind() {
    for way in WAYS {
        let mut world = World::new();
        let mut scribe = fill(&mut world, way, 64);
        let position = scribe.position;
        scribe.put(scribe.header(64, PADDING), &[0; 56]);
        world.finds(way, "a padding alone", Fault::NothingAfterPadding { position });
        world.finish();
    }
}

#[test]
fn padding_behind_padding_without_end() {
    for way in WAYS {
        let mut world = World::new();
        for length in [8, 64, 0x7ff8] {
            let mut scribe = fill(&mut world, way, 64);
            let start = scribe.position + 64;
            assert_eq!(start % scribe.capacity(), 0);
            // Behind the first one, all around the ring, before the first is shown.
            let mut next = scribe.clone();
            next.position = start;
            while next.room() >= length && next.room() > scribe.capacity() / 2 {
                let padding = next.header(length, PADDING);
                let at = world.peer.word(next.at(next.position));
                at.set(padding);
                next.position += length;
            }
            let first = scribe.header(64, PADDING);
            world.peer.word(scribe.at(scribe.position)).set(first);
            scribe.position = next.position;
            let fault = Fault::Padding { position: start, length, room: scribe.capacity() };
            world.finds(way, &format!("paddings of {length} bytes"), fault);
        }
        world.finish();
    }
}

#[test]
fn a_ring_full_of_records_of_no_known_kind() {
    for way in WAYS {
        let mut world = World::new();
        // Thousands of them, all at once: each turn takes a bounded number, and the neighbours have theirs in between.
        let mut scribe = world.scribe(way);
        while scribe.room() > 64 {
            scribe.skip(8);
        }
        world.until_received(way, &scribe, "records of no known kind");
        world.found_nothing("records of no known kind");
        world.heals();
        world.finish();
    }
}

#[test]
fn a_payload_that_imitates_headers() {
    for way in WAYS {
        let mut world = World::new();
        let who = world.who();
        // Honest messages that hold, wherever they come to lie, the header that would be right there in this lap and in the
        // next ones.
        for turn in 0..120_u64 {
            let scribe = world.scribe(way);
            let start = scribe.position + 8 + 16 + 5 + 3;
            let lap = turn % 3 * scribe.capacity();
            let imitation = |word: u64| scribe.header_at(start + lap + 8 * word, 24, MESSAGE).to_le_bytes();
            let bytes = [&[0; 3][..], &(0..256).flat_map(imitation).collect::<Vec<_>>()].concat();
            match way {
                Way::ToHost => drop(world.guest().send("topic", &bytes).expect("room")),
                Way::ToGuest => drop(world.host().send(&who, "topic", &bytes).expect("room")),
            }
            world.until("the message", |world| payload(world, way).is_some());
            assert_eq!(payload(&world, way), Some(bytes), "turn {turn}");
            world.step();
            let messages = match way {
                Way::ToHost => count(&world.at_host, |event| matches!(event, HostEvent::Message { .. })),
                Way::ToGuest => count(&world.at_guest, |event| matches!(event, GuestEvent::Message { .. })),
            };
            assert_eq!(messages, 1, "turn {turn}: only what was sent");
            world.found_nothing("an honest message");
            world.at_host.clear();
            world.at_guest.clear();
        }
        // Nor does one who takes over find records in them.
        world.kill_host();
        world.start_host(|_| {});
        world.goes_on("a new host");
        assert_eq!(payload(&world, way), None);
        world.talk();
        world.finish();
    }
}

fn count<T>(events: &[T], is: impl Fn(&T) -> bool) -> usize {
    events.iter().filter(|event| is(event)).count()
}

#[test]
fn a_fault_is_shown_in_the_directory_and_the_same_program_comes_back_after_a_second() {
    let mut world = World::new();
    let channel = world.channel();
    let state = world.peer.entry(channel, entry_word::STATE);
    assert_eq!(state.get(), 2);
    put(&mut world, Way::ToHost, |_| u64::MAX);
    let is_fault = |event: &HostEvent| matches!(event, HostEvent::Fault { error: LinkError::Fault(_), .. });
    world.until("a fault", |world| world.at_host.iter().any(is_fault));
    assert_eq!(state.get(), 3 | 3 << 8, "closed, for a fault that the host found");
    let who = world.who();
    let sent = world.host().send(&who, "talk", b"anybody there?");
    assert!(matches!(sent, Err(HostSendError::Send(SendError::NotAttached))), "{sent:?}");
    world.until("the program in the guest notices", |world| {
        world.at_guest.iter().any(|event| matches!(event, GuestEvent::Detached(_)))
    });
    assert!(!world.guest().is_attached());
    world.until("it is back", |world| world.guest().is_attached());
    let is_attached = |event: &HostEvent| matches!(event, HostEvent::Attached { .. });
    world.until("the host knows", |world| world.at_host.iter().any(is_attached));
    world.at_host.clear();
    world.at_guest.clear();
    world.talk();
    world.finish();
}
