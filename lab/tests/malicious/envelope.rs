//! What stands before every payload (§7.1, §8.3), in the rings of both ways.

use std::time::Duration;

use ivring_guest::Event as GuestEvent;
use ivring_host::Event as HostEvent;
use ivring_lab::malicious_peer::{Scribe, Truth, Way, envelope};
use ivring_proto::link::{EnvelopeError, Status};

use crate::world::World;

pub const WAYS: [Way; 2] = [Way::ToHost, Way::ToGuest];
const MESSAGE: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;
const REQUEST: u8 = 5;
const RESPONSE: u8 = 6;

/// A message, a request or a response, as its reader was told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    id: u64,
    topic: String,
    payload: Vec<u8>,
    status: Status,
}

fn told(world: &World, reader: Way) -> Option<Told> {
    let (id, topic, payload, status) = match reader {
        Way::ToHost => world.at_host.iter().find_map(|event| match event {
            HostEvent::Message { id, topic, payload, .. } | HostEvent::Request { id, topic, payload, .. } => {
                Some((*id, topic.clone(), payload.clone(), Status::Ok))
            }
            HostEvent::Response { id, payload, status, .. } => {
                Some((*id, String::new(), payload.clone(), *status))
            }
            HostEvent::Pong { id, .. } => Some((*id, String::new(), Vec::new(), Status::Ok)),
            _ => None,
        }),
        Way::ToGuest => world.at_guest.iter().find_map(|event| match event {
            GuestEvent::Message { id, topic, payload, .. }
            | GuestEvent::Request { id, topic, payload, .. } => {
                Some((*id, topic.clone(), payload.clone(), Status::Ok))
            }
            GuestEvent::Response { id, payload, status, .. } => {
                Some((*id, String::new(), payload.clone(), *status))
            }
            GuestEvent::Pong { id, .. } => Some((*id, String::new(), Vec::new(), Status::Ok)),
            _ => None,
        }),
    }?;
    Some(Told { id, topic, payload, status })
}

fn put(world: &mut World, way: Way, kind: u8, record: &[u8]) -> Scribe {
    let mut scribe = world.scribe(way);
    scribe.push(kind, record);
    scribe
}

/// Asks whoever writes in that ring for something, and returns the request's number.
fn ask(world: &mut World, answers: Way, ping: bool) -> u64 {
    let (who, patience) = (world.who(), Duration::from_secs(600));
    match (answers, ping) {
        (Way::ToHost, false) => world.host().request(&who, "topic", b"?", patience).expect("room"),
        (Way::ToHost, true) => world.host().ping(&who, b"?", patience).expect("room"),
        (Way::ToGuest, false) => world.guest().request("topic", b"?", patience).expect("room"),
        (Way::ToGuest, true) => world.guest().ping(b"?", patience).expect("room"),
    }
}

fn late(world: &mut World, reader: Way) -> u64 {
    let who = world.who();
    match reader {
        Way::ToGuest => world.guest().losses().late,
        Way::ToHost => {
            let guests = world.host().guests();
            guests.iter().find(|guest| guest.identity == who).expect("it has a channel").losses.late
        }
    }
}

#[test]
fn id_of_a_message_or_request() {
    // The sender's own number: told as it is, and nobody relies on it.
    for (way, kind) in WAYS.into_iter().flat_map(|way| [(way, MESSAGE), (way, REQUEST)]) {
        let mut world = World::new();
        for lie in (Truth { now: 7, earlier: 3, anothers: 1 << 63 }).lies() {
            put(&mut world, way, kind, &envelope(lie.value, 0, 0, "topic", b"payload"));
            world.until(lie.what, |world| told(world, way).is_some());
            let (topic, payload) = ("topic".to_owned(), b"payload".to_vec());
            let expected = Told { id: lie.value, topic, payload, status: Status::Ok };
            assert_eq!(told(&world, way), Some(expected));
            world.found_nothing(lie.what);
            world.heals();
        }
        world.finish();
    }
}

#[test]
fn id_of_a_response_or_pong() {
    // An honest host would answer the guest's ping in the same ring.
    for (way, kind) in [(Way::ToHost, RESPONSE), (Way::ToHost, PONG), (Way::ToGuest, RESPONSE)] {
        let mut world = World::new();
        let earlier = ask(&mut world, way, kind == PONG);
        world.join();
        world.deaf = way == Way::ToHost;
        let id = ask(&mut world, way, kind == PONG);
        let mut scribe = world.scribe(way);
        let mut counted = late(&mut world, way);
        for lie in (Truth { now: id, earlier, anothers: id ^ 1 << 40 }).lies() {
            scribe.push(kind, &envelope(lie.value, 0, 0, "", b"answer"));
            world.until_received(way, &scribe, lie.what);
            counted += 1;
            assert_eq!((told(&world, way), late(&mut world, way)), (None, counted), "{lie:?}");
        }
        // The right number, as an answer to something else.
        scribe.push(if kind == PONG { RESPONSE } else { PONG }, &envelope(id, 0, 0, "", b"answer"));
        world.until_received(way, &scribe, "another kind of answer");
        counted += 1;
        assert_eq!((told(&world, way), late(&mut world, way)), (None, counted));
        scribe.push(kind, &envelope(id, 0, 0, "", b"answer"));
        world.until("the answer", |world| told(world, way).is_some());
        assert_eq!(told(&world, way).map(|told| told.id), Some(id));
        // Replayed: nobody waits any more.
        scribe.push(kind, &envelope(id, 0, 0, "", b"answer"));
        world.until_received(way, &scribe, "the answer once more");
        assert_eq!(late(&mut world, way), counted + 1);
        world.found_nothing("answers to nothing");
        world.heals();
        world.finish();
    }
}

#[test]
fn topic_length() {
    for way in WAYS {
        let mut world = World::new();
        for kind in [MESSAGE, PING, REQUEST, RESPONSE] {
            for length in [0, 1, 4, 6, 12, 13, 0x7f, 0x80, 0xff] {
                let mut record = envelope(7, 0, 0, "topic", b"payload");
                record[8] = length;
                let scribe = put(&mut world, way, kind, &record);
                let what = format!("a topic of {length} bytes in kind {kind}");
                let whole = record.len();
                if usize::from(length) > 12 {
                    let error = EnvelopeError::Topic { topic: length.into(), length: whole };
                    world.finds(way, &what, error);
                } else if length == 0 && matches!(kind, MESSAGE | REQUEST) {
                    world.finds(way, &what, EnvelopeError::NoTopic { length: whole });
                } else {
                    world.until_received(way, &scribe, &what);
                    let cut = usize::from(length);
                    let payload = told(&world, way).map(|told| (told.topic, told.payload));
                    let named = matches!(kind, MESSAGE | REQUEST)
                        .then(|| ("topicpayload"[..cut].to_owned(), b"topicpayload"[cut..].to_vec()));
                    assert_eq!(payload, named, "{what}");
                    world.found_nothing(&what);
                    world.heals();
                }
            }
        }
        world.finish();
    }
}

#[test]
fn topic() {
    for way in WAYS {
        let mut world = World::new();
        // Bytes that are no UTF-8 (also cut in the middle of a letter), and control characters.
        let wrong: [(&[u8], usize); 8] = [
            (b"\0opic", 0),
            (b"top\xffc", 3),
            (b"topi\xc3", 4),
            (b"\xed\xa0\x80ic", 0),
            (b"to\x1b[m", 2),
            (b"topi\n", 4),
            (b"t\x7fpic", 1),
            (b"to\xc2\x9bc", 2),
        ];
        for (topic, at) in wrong {
            let mut record = envelope(7, 0, 0, "topic", b"payload");
            record[16..21].copy_from_slice(topic);
            put(&mut world, way, MESSAGE, &record);
            let error = EnvelopeError::TopicText { topic: 5, at, byte: topic[at] };
            world.finds(way, &format!("topic {topic:?}"), error);
        }
        // The longest, and one that a terminal would not show as it is.
        for topic in ["t".repeat(255), "t\u{202e}c".to_owned()] {
            put(&mut world, way, MESSAGE, &envelope(7, 0, 0, &topic, b""));
            world.until("a topic", |world| told(world, way).is_some());
            assert_eq!(told(&world, way).map(|told| told.topic), Some(topic));
            world.heals();
        }
        world.finish();
    }
}

/// Fields that nobody looks at in these kinds: all goes on as if they were right.
fn is_ignored(change: impl Fn(&mut Vec<u8>, u8)) {
    for way in WAYS {
        let mut world = World::new();
        for kind in [MESSAGE, REQUEST] {
            for value in [1, 2, 5, 0x7f, 0x80, 0xff] {
                let mut record = envelope(7, 0, 0, "topic", b"payload");
                change(&mut record, value);
                put(&mut world, way, kind, &record);
                world.until("a record", |world| told(world, way).is_some());
                let (topic, payload) = ("topic".to_owned(), b"payload".to_vec());
                assert_eq!(told(&world, way), Some(Told { id: 7, topic, payload, status: Status::Ok }));
                world.found_nothing(&format!("{value} in kind {kind}"));
                world.heals();
            }
        }
        world.finish();
    }
}

#[test]
fn flags() {
    is_ignored(|record, value| record[9] = value);
}

#[test]
fn reserved() {
    is_ignored(|record, value| record[12..16].fill(value));
}

#[test]
fn status() {
    is_ignored(|record, value| record[10..12].fill(value));
    // Where it means something, the asking program is told what it says.
    for way in WAYS {
        let mut world = World::new();
        for code in [0, 1, 2, 3, 0x7fff, 0x8000, 0xffff] {
            let id = ask(&mut world, way, false);
            put(&mut world, way, RESPONSE, &envelope(id, 0, code, "", b"payload"));
            world.until("an answer", |world| told(world, way).is_some());
            assert_eq!(told(&world, way).map(|told| (told.id, told.status.code())), Some((id, code)));
            world.found_nothing(&format!("status {code}"));
            world.heals();
        }
        world.finish();
    }
}

#[test]
fn a_record_shorter_than_an_envelope() {
    for way in WAYS {
        let mut world = World::new();
        for kind in 2..=8 {
            for length in [0, 1, 8, 15] {
                put(&mut world, way, kind, &envelope(7, 0, 0, "", b"")[..length]);
                world.finds(way, &format!("kind {kind}"), EnvelopeError::Short { length });
            }
        }
        world.finish();
    }
}
