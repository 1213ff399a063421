//! The head of a fragment (§7.6, §7.9, §8.3), in the rings of both ways.

use ivring_guest::Event as GuestEvent;
use ivring_host::Event as HostEvent;
use ivring_lab::malicious_peer::{Scribe, Truth, Way, envelope};
use ivring_proto::link::{EnvelopeError, Losses};

use crate::envelope::WAYS;
use crate::world::{MAX_MESSAGE, World};

const FRAGMENT: u8 = 7;
const END: u8 = 8;
/// A transfer of some incarnation.
const TRANSFER: u64 = 1 << 63 | 5 << 32 | 1;
const PIECE: [u8; 100] = [0x5a; 100];

/// A fragment of a message.
fn fragment(transfer: u64, total: u64, offset: u64, of: u8) -> Vec<u8> {
    let topic = if offset == 0 { "topic" } else { "" };
    let head = [transfer, total, offset].map(u64::to_le_bytes).concat();
    envelope(transfer, of, 0, topic, &[&head, &PIECE[..]].concat())
}

fn losses(world: &mut World, reader: Way) -> Losses {
    let who = world.who();
    match reader {
        Way::ToGuest => world.guest().losses(),
        Way::ToHost => {
            let guests = world.host().guests();
            guests.iter().find(|guest| guest.identity == who).expect("it has a channel").losses
        }
    }
}

/// Length of the message that the reader was told.
fn message(world: &World, reader: Way) -> Option<usize> {
    match reader {
        Way::ToHost => world.at_host.iter().find_map(|event| match event {
            HostEvent::Message { payload, .. } => Some(payload.len()),
            _ => None,
        }),
        Way::ToGuest => world.at_guest.iter().find_map(|event| match event {
            GuestEvent::Message { payload, .. } => Some(payload.len()),
            _ => None,
        }),
    }
}

fn put(world: &mut World, way: Way, records: &[Vec<u8>], what: &str) -> Scribe {
    let mut scribe = world.scribe(way);
    for record in records {
        scribe.push(FRAGMENT, record);
    }
    world.until_received(way, &scribe, what);
    scribe
}

/// The pieces fit nowhere: they are dropped and counted, no message comes of them, and the next whole one is received.
fn is_dropped(world: &mut World, way: Way, records: &[Vec<u8>], dropped: u64, what: &str) {
    let before = losses(world, way).stray_fragments;
    let mut scribe = put(world, way, records, what);
    assert_eq!(losses(world, way).stray_fragments - before, dropped, "{what}");
    assert_eq!(message(world, way), None, "{what}");
    world.found_nothing(what);
    scribe.push(FRAGMENT, &fragment(TRANSFER + 77, 100, 0, 2));
    world.until("the next message", |world| message(world, way).is_some());
    assert_eq!(message(world, way), Some(100), "{what}");
    world.heals();
}

#[test]
fn transfer() {
    for way in WAYS {
        let mut world = World::new();
        // Of the first piece: any number will do, and the same is taken again for another message.
        for lie in (Truth { now: TRANSFER, earlier: 1, anothers: 1 << 63 }).lies() {
            put(&mut world, way, &[fragment(lie.value, 100, 0, 2)], lie.what);
            assert_eq!(message(&world, way), Some(100), "{lie:?}");
            world.heals();
        }
        // In the middle: it belongs to nothing, and the one that was begun can still be finished.
        for lie in (Truth { now: TRANSFER, earlier: 1, anothers: 1 << 63 }).lies() {
            let before = losses(&mut world, way).stray_fragments;
            let pieces = [
                fragment(TRANSFER, 200, 0, 2),
                fragment(lie.value, 200, 100, 2),
                fragment(TRANSFER, 200, 100, 2),
            ];
            put(&mut world, way, &pieces, lie.what);
            assert_eq!(message(&world, way), Some(200), "{lie:?}");
            assert_eq!(losses(&mut world, way).stray_fragments - before, 1, "{lie:?}");
            world.heals();
        }
        // Replayed from its beginning, over and over.
        let pieces = vec![fragment(TRANSFER, 200, 0, 2); 50];
        is_dropped(&mut world, way, &pieces, 0, "only beginnings");
        world.finish();
    }
}

#[test]
fn total() {
    for way in WAYS {
        let mut world = World::new();
        for total in [0, 1, 99] {
            let mut scribe = world.scribe(way);
            scribe.push(FRAGMENT, &fragment(TRANSFER, total, 0, 2));
            let error = EnvelopeError::Fragment { length: 124, offset: 0, total, of: 2 };
            world.finds(way, &format!("a total of {total}"), error);
        }
        // More than the reader takes: declined without memory for it.
        for total in [MAX_MESSAGE as u64 + 1, 1 << 32, 1 << 63, u64::MAX - 7, u64::MAX] {
            let what = format!("a total of {total}");
            is_dropped(&mut world, way, &[fragment(TRANSFER, total, 0, 2)], 1, &what);
        }
        // More than comes: it costs what has come.
        for total in [101, 200, MAX_MESSAGE as u64] {
            is_dropped(&mut world, way, &[fragment(TRANSFER, total, 0, 2)], 0, "a total too large");
        }
        // Another in the middle.
        for lie in (Truth { now: 200, earlier: 199, anothers: 300 }).lies() {
            if lie.value < 200 {
                continue;
            }
            let pieces = [fragment(TRANSFER, 200, 0, 2), fragment(TRANSFER, lie.value, 100, 2)];
            is_dropped(&mut world, way, &pieces, 1, lie.what);
        }
        world.finish();
    }
}

#[test]
fn offset() {
    for way in WAYS {
        let mut world = World::new();
        for offset in [101, 200, 1 << 63, u64::MAX - 99, u64::MAX] {
            let mut scribe = world.scribe(way);
            scribe.push(FRAGMENT, &fragment(TRANSFER, 200, offset, 2));
            let error = EnvelopeError::Fragment { length: 124, offset, total: 200, of: 2 };
            world.finds(way, &format!("an offset of {offset}"), error);
        }
        // A piece that is not the next: with nothing before, with a hole, over what is there already.
        for offset in [1, 99, 100] {
            is_dropped(&mut world, way, &[fragment(TRANSFER, 200, offset, 2)], 1, "no beginning");
        }
        for offset in [1, 50, 99, 101, 200, 300] {
            let pieces = [fragment(TRANSFER, 400, 0, 2), fragment(TRANSFER, 400, offset, 2)];
            is_dropped(&mut world, way, &pieces, 1, "not the next");
        }
        world.finish();
    }
}

#[test]
fn kind_of_the_whole() {
    for way in WAYS {
        let mut world = World::new();
        for of in [0, 1, 3, 4, 7, 8, 9, 0xff] {
            let mut scribe = world.scribe(way);
            scribe.push(FRAGMENT, &fragment(TRANSFER, 100, 0, of));
            let error = EnvelopeError::Fragment { length: 124, offset: 0, total: 100, of };
            world.finds(way, &format!("pieces of kind {of}"), error);
        }
        // A response that nobody waits for is put together, dropped and counted.
        let late = losses(&mut world, way).late;
        put(&mut world, way, &[fragment(TRANSFER, 100, 0, 6)], "a response");
        assert_eq!((message(&world, way), losses(&mut world, way).late), (None, late + 1));
        world.heals();
        world.finish();
    }
}

#[test]
fn length_of_the_piece() {
    for way in WAYS {
        let mut world = World::new();
        let right = fragment(TRANSFER, 100, 0, 2);
        let head = right.len() - PIECE.len();
        // Without a piece, and with half a head.
        for (cut, total, offset) in [(head, 100, 0), (head - 1, 0, 0), (head - 8, 0, 0), (head - 24, 0, 0)] {
            let mut scribe = world.scribe(way);
            scribe.push(FRAGMENT, &right[..cut]);
            let error = EnvelopeError::Fragment { length: cut - 21, offset, total, of: 2 };
            world.finds(way, &format!("{cut} bytes"), error);
        }
        world.finish();
    }
}

#[test]
fn topic() {
    for way in WAYS {
        let mut world = World::new();
        let mut nameless = fragment(TRANSFER, 200, 100, 2);
        nameless[32..40].fill(0);
        let mut scribe = world.scribe(way);
        scribe.push(FRAGMENT, &nameless);
        world.finds(way, "a first piece without a topic", EnvelopeError::NoTopic { length: 124 });
        let mut escape = fragment(TRANSFER, 100, 0, 2);
        escape[18] = 0x1b;
        world.scribe(way).push(FRAGMENT, &escape);
        let error = EnvelopeError::TopicText { topic: 5, at: 2, byte: 0x1b };
        world.finds(way, "a topic with an escape", error);
        world.finish();
    }
}

#[test]
fn a_thousand_transfers_that_are_begun_and_ended_at_once() {
    for way in WAYS {
        let mut world = World::new();
        for round in 0..4 {
            let mut scribe = world.scribe(way);
            for transfer in 0..100 {
                scribe.push(FRAGMENT, &fragment(TRANSFER + transfer, 200, 0, 2));
                scribe.push(END, &envelope(TRANSFER + transfer, 0, 3, "", b""));
            }
            world.until_received(way, &scribe, &format!("transfers of round {round}"));
            world.found_nothing("transfers");
            assert_eq!(message(&world, way), None);
            world.heals();
        }
        world.finish();
    }
}
