//! Words that another thread rewrites as fast as it can, between a look at them and their use.
//!
//! Each time it goes one of two ways: what is there is right as a whole, or it is wrong and said so. Nothing is in between.

use std::time::{Duration, Instant};

use ivring_guest::Event as GuestEvent;
use ivring_host::Event as HostEvent;
use ivring_lab::malicious_peer::{Request, Way, Word, envelope};
use ivring_proto::layout::{cell_word, control_word as word, entry_word, superblock_word};
use ivring_proto::link::{EnvelopeError, LinkError};
use ivring_proto::ring::Fault;

use crate::envelope::WAYS;
use crate::world::World;

const ROUNDS: usize = 25;
const MESSAGE: u8 = 2;
const FRAGMENT: u8 = 7;

/// What the reader of a ring came to.
#[derive(Debug, PartialEq)]
enum Outcome {
    Message(String, Vec<u8>),
    Fault(LinkError),
    /// A piece that fits nowhere.
    Dropped,
}

fn outcome(world: &World, reader: Way) -> Option<Outcome> {
    match reader {
        Way::ToHost => world.at_host.iter().find_map(|event| match event {
            HostEvent::Message { topic, payload, .. } => {
                Some(Outcome::Message(topic.clone(), payload.clone()))
            }
            HostEvent::Fault { error, .. } => Some(Outcome::Fault(*error)),
            _ => None,
        }),
        Way::ToGuest => world.at_guest.iter().find_map(|event| match event {
            GuestEvent::Message { topic, payload, .. } => {
                Some(Outcome::Message(topic.clone(), payload.clone()))
            }
            GuestEvent::Fault(error) => Some(Outcome::Fault(*error)),
            _ => None,
        }),
    }
}

/// Puts a record into the ring whose word at `at`, from the header on, is being rewritten, and checks what comes of it.
fn record(kind: u8, payload: &[u8], at: u64, other: impl Fn(u64) -> u64, check: impl Fn(u64, &Outcome)) {
    for way in WAYS {
        let mut world = World::new();
        for _ in 0..ROUNDS {
            let mut scribe = world.scribe(way);
            let position = scribe.position;
            // Written as a whole behind its place in line, and shown while the word changes already.
            let header = scribe.header(8 + payload.len() as u64, kind);
            scribe.put(0, payload);
            let word = world.peer.word(scribe.at(position) + at);
            let right = if at == 0 { header } else { word.get() };
            let rewriter = word.rewritten([right, other(right)]);
            if at != 0 {
                world.peer.word(scribe.at(position)).set(header);
            }
            let patience = Instant::now() + Duration::from_millis(50);
            world.until("one or the other", |world| {
                outcome(world, way).is_some() || (kind == FRAGMENT && Instant::now() > patience)
            });
            drop(rewriter);
            check(position, &outcome(&world, way).unwrap_or(Outcome::Dropped));
            world.heals();
        }
        world.finish();
    }
}

fn message() -> Outcome {
    Outcome::Message("topic".to_owned(), b"payload".to_vec())
}

#[test]
fn a_header() {
    let payload = envelope(7, 0, 0, "topic", b"payload");
    record(
        MESSAGE,
        &payload,
        0,
        |right| right ^ 1 << 50,
        |position, outcome| {
            let is_tag = |error: &LinkError| matches!(error, LinkError::Fault(Fault::Tag { position: at, .. }) if *at == position);
            assert!(
                *outcome == message() || matches!(outcome, Outcome::Fault(error) if is_tag(error)),
                "{outcome:?}"
            );
        },
    );
}

#[test]
fn the_length_of_a_topic() {
    let payload = envelope(7, 0, 0, "topic", b"payload");
    record(
        MESSAGE,
        &payload,
        16,
        |right| right | 0xff,
        |_, outcome| {
            let error = EnvelopeError::Topic { topic: 255, length: 28 };
            assert!(*outcome == message() || *outcome == Outcome::Fault(error.into()), "{outcome:?}");
        },
    );
}

#[test]
fn the_bytes_of_a_topic() {
    let payload = envelope(7, 0, 0, "topic", b"payload");
    // One byte of the two that a letter has, in a word that is copied whole.
    let other = |right: u64| right & !0xff | 0x1b;
    record(MESSAGE, &payload, 24, other, |_, outcome| {
        let error = EnvelopeError::TopicText { topic: 5, at: 0, byte: 0x1b };
        assert!(*outcome == message() || *outcome == Outcome::Fault(error.into()), "{outcome:?}");
    });
}

#[test]
fn the_total_of_a_fragment() {
    let head = [1 << 63 | 1, 100, 0].map(u64::to_le_bytes).concat();
    // A topic that puts the numbers on words of their own.
    let payload = envelope(7, 2, 0, "12345678", &[&head[..], &[7; 100]].concat());
    let others = [99, 101, 1 << 20, u64::MAX];
    for other in others {
        record(
            FRAGMENT,
            &payload,
            40,
            |_| other,
            |_, outcome| match outcome {
                Outcome::Message(topic, payload) => {
                    assert_eq!((topic.as_str(), &payload[..]), ("12345678", &[7; 100][..]));
                }
                Outcome::Fault(error) => {
                    let wrong = EnvelopeError::Fragment { length: 124, offset: 0, total: 99, of: 2 };
                    assert_eq!(*error, wrong.into());
                }
                Outcome::Dropped => assert_ne!(other, 99),
            },
        );
    }
}

#[test]
fn a_head() {
    let mut world = World::new();
    let who = world.who();
    for _ in 0..ROUNDS {
        let channel = world.channel();
        world.deaf = true;
        while world.host().send(&who, "fill", &[0; 1000]).is_ok() {}
        let head = world.peer.guest_control(channel, word::CONSUMER, word::HEAD);
        let right = head.get();
        let rewriter = head.rewritten([right, right + 4]);
        let deadline = Instant::now() + Duration::from_millis(20);
        while Instant::now() < deadline && world.host().send(&who, "fill", &[0; 1000]).is_err() {
            world.step();
        }
        drop(rewriter);
        world.settle();
        for event in &world.at_host {
            if let HostEvent::Fault { error, .. } = event {
                assert_eq!(*error, Fault::HeadUnaligned { head: right + 4 }.into());
            }
        }
        world.heals();
    }
    world.finish();
}

/// Words that are rewritten for a while, while everybody goes on; then the one guest comes back.
fn scribbled(choose: impl Fn(&mut World) -> (Word, u64)) {
    let mut world = World::new();
    for _ in 0..3 {
        let (word, other) = choose(&mut world);
        let rewriter = word.rewritten([word.get(), other]);
        let end = Instant::now() + Duration::from_millis(30);
        while Instant::now() < end {
            let who = world.who();
            // What is sent meanwhile may be lost with the session, and nothing else.
            let _ = (world.guest().send("meanwhile", b"!"), world.host().send(&who, "meanwhile", b"!"));
            world.step();
        }
        drop(rewriter);
        world.settle();
        world.heals();
    }
    world.finish();
}

#[test]
fn words_of_the_guests_block() {
    let words = [
        (word::PRODUCER, word::HINT),
        (word::CONSUMER, word::SEEN),
        (word::SESSION, word::CONFIRM),
        (word::SESSION, word::HEARTBEAT),
        (word::SESSION, word::BYE),
        (word::SESSION, word::CHALLENGE_ANSWER),
    ];
    for (line, at) in words {
        scribbled(|world| {
            let channel = world.channel();
            let word = world.peer.guest_control(channel, line, at);
            let other = if at == word::BYE {
                world.peer.entry(channel, entry_word::NONCE).get()
            } else {
                !word.get()
            };
            (word, other)
        });
    }
}

#[test]
fn words_of_the_hosts_block() {
    for (line, at) in [(word::PRODUCER, word::HINT), (word::CONSUMER, word::SEEN), (word::TEXT, word::PORT)] {
        scribbled(|world| {
            let channel = world.channel();
            let word = world.peer.host_control(channel, line, at);
            let other = !word.get();
            (word, other)
        });
    }
}

#[test]
fn words_of_the_directory() {
    for at in (0..=entry_word::CHALLENGE).step_by(8) {
        scribbled(|world| {
            let channel = world.channel();
            let word = world.peer.entry(channel, at);
            let other = if at == entry_word::STATE { 3 | 3 << 8 } else { !word.get() };
            (word, other)
        });
    }
}

/// Words that are rewritten while the one guest joins.
fn while_it_joins(words: impl Fn(&World) -> Vec<(Word, u64)>) {
    let mut world = World::new();
    for (word, other) in words(&world) {
        world.end_guest();
        let rewriter = word.rewritten([word.get(), other]);
        world.begin_to_join();
        let end = Instant::now() + Duration::from_millis(30);
        while Instant::now() < end {
            world.step();
        }
        drop(rewriter);
        world.heals();
    }
    world.finish();
}

#[test]
fn words_of_the_superblock_while_a_guest_joins() {
    // Those that its neighbours do not look at any more.
    let words = [
        superblock_word::MAGIC,
        superblock_word::VERSIONS,
        superblock_word::FEATURES_REQUIRED,
        superblock_word::SIZE,
        superblock_word::CHANNELS,
        superblock_word::TO_HOST,
        superblock_word::STATUS,
        superblock_word::DIRECTORY,
        superblock_word::RINGS,
    ];
    while_it_joins(|world| words.map(|at| (world.peer.superblock(at), u64::MAX)).to_vec());
}

#[test]
fn words_of_an_entry_while_a_guest_joins() {
    while_it_joins(|world| {
        let channel = 2;
        let words = (0..=entry_word::FEATURES).step_by(8).map(|at| world.peer.entry(channel, at));
        words.map(|word| (word, u64::MAX)).collect()
    });
}

#[test]
fn words_of_all_cells_while_a_guest_joins() {
    let mut world = World::new();
    for at in [cell_word::ATTEMPT, cell_word::NONCE, cell_word::PORT, cell_word::CHECKSUM] {
        world.end_guest();
        // Half of the cells, so that some are left.
        let requests = (0..8).map(|cell| {
            Request::new(cell + 1, u128::from(cell) + 100, 5, "agent", "nobody").write(&world.peer, cell, 0);
            world.peer.cell(cell, at)
        });
        let rewriters: Vec<_> = requests.map(|word| word.rewritten([0, 1])).collect();
        world.begin_to_join();
        let end = Instant::now() + Duration::from_millis(30);
        while Instant::now() < end {
            world.step();
        }
        drop(rewriters);
        world.heals();
    }
    world.finish();
}
