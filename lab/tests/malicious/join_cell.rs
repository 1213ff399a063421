//! The join cell (§5.1), which guests write and the host reads.

use std::ops::RangeInclusive;

use ivring_host::{Event as HostEvent, Identity, Phase, Port, Refusal, Uuid};
use ivring_lab::malicious_peer::{Request, Truth};
use ivring_proto::layout::{VersionRange, cell_word as word};

use crate::world::World;

/// Who asks with these requests, unless they say otherwise.
const UUID: u128 = 0xf0_0d00_0000_0000_0000_0000_0000_f00d;
const NONCE: u64 = 0x006e_6f6e_6365;
const CELL: u64 = 9;

fn request() -> Request {
    Request::new(NONCE, UUID, 5, "agent", "forged")
}

/// What comes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Comes {
    Nothing,
    Offer { name: String },
    Refusal(Refusal),
}

/// Writes a request and returns what comes of it; a channel that was given is taken away again.
fn ask(world: &mut World, request: &Request, attempt: u64) -> Comes {
    request.write(&world.peer, CELL, attempt);
    comes(world)
}

fn comes(world: &mut World) -> Comes {
    world.settle();
    let who = world.who();
    let refusal = world.at_host.iter().find_map(|event| match event {
        HostEvent::Refused { refusal, .. } => Some(*refusal),
        _ => None,
    });
    let guests = world.host().guests();
    let offered = guests.iter().find(|guest| guest.phase == Phase::Offered && guest.identity != who);
    world.found_nothing("somebody asks");
    world.at_host.clear();
    world.peer.cell(CELL, word::ATTEMPT).set(0);
    match (refusal, offered) {
        (Some(refusal), None) => Comes::Refusal(refusal),
        (None, None) => Comes::Nothing,
        (None, Some(guest)) => {
            let name = guest.name.clone();
            world.host().evict(&guest.identity);
            world.settle();
            world.at_host.clear();
            Comes::Offer { name }
        }
        (Some(_), Some(_)) => panic!("both: {refusal:?}, {offered:?}"),
    }
}

fn offer() -> Comes {
    Comes::Offer { name: "forged".to_owned() }
}

/// What is tried with a word, each in turn, under the right checksum.
fn lies(at: u64, truth: Truth, expected: impl Fn(u64) -> Comes) {
    let mut world = World::new();
    for (attempt, lie) in (1000..).zip(truth.lies()) {
        let came = ask(&mut world, &request().with(at, lie.value), attempt);
        assert_eq!(came, expected(lie.value), "{lie:?}");
    }
    world.heals();
    world.finish();
}

#[test]
fn attempt() {
    let mut world = World::new();
    for lie in (Truth { now: 1 << 40, earlier: 7, anothers: 8 }).lies() {
        let came = ask(&mut world, &request(), lie.value);
        assert_eq!(came, if lie.value == 0 { Comes::Nothing } else { offer() }, "{lie:?}");
    }
    // What stood there before the host was started is of somebody who may be gone; a new attempt is of the living.
    request().write(&world.peer, CELL, 5);
    world.kill_host();
    world.peer.cell(CELL, word::ATTEMPT).set(0);
    request().write(&world.peer, CELL, 77);
    world.start_host(|_| {});
    assert_eq!(comes(&mut world), Comes::Nothing);
    assert_eq!(ask(&mut world, &request(), 78), offer());
    world.heals();
    world.finish();
}

#[test]
fn nonce() {
    lies(word::NONCE, Truth { now: NONCE, earlier: 5, anothers: 6 }, |nonce| {
        if nonce == 0 { Comes::Nothing } else { offer() }
    });
    // A neighbour's request, replayed: he has what it asks for.
    let mut world = World::new();
    let (nonce, boot) = world.neighbours_session();
    let replayed = Request::new(nonce, 1, boot, "agent", "guest1");
    assert_eq!(ask(&mut world, &replayed, 11), Comes::Nothing);
    world.heals();
    world.finish();
}

#[test]
fn uuid() {
    let [high, low] =
        [UUID >> 64, UUID & u128::from(u64::MAX)].map(|half| u64::try_from(half).expect("a half"));
    for (at, half) in [(word::UUID, high), (word::UUID + 8, low)] {
        let truth = Truth { now: half.swap_bytes(), earlier: 5, anothers: 6 };
        lies(at, truth, |_| offer());
    }
    // No UUID at all.
    let mut world = World::new();
    assert_eq!(ask(&mut world, &request().with(word::UUID, 0).with(word::UUID + 8, 0), 1), Comes::Nothing);
    // A neighbour's: he is asked whether he lives, and does.
    let neighbours = Request::new(NONCE, 1, 99, "agent", "guest1");
    neighbours.write(&world.peer, CELL, 2);
    world.until("a refusal", |world| {
        world.at_host.iter().any(|event| matches!(event, HostEvent::Refused { .. }))
    });
    assert_eq!(comes(&mut world), Comes::Refusal(Refusal::DuplicateIdentity));
    world.heals();
    world.finish();
    // Where a region belongs to one VM, no other comes in, whatever it says.
    let mut world = World::with_owner();
    for (attempt, uuid) in (1..).zip([UUID, u128::MAX, 1 << 64 | crate::world::UUID, 1]) {
        let request = Request::new(NONCE, uuid, 5, "agent", "forged");
        assert_eq!(ask(&mut world, &request, attempt), Comes::Refusal(Refusal::NotOwner));
    }
    world.heals();
}

#[test]
fn boot() {
    for at in [word::BOOT, word::BOOT + 8] {
        lies(at, Truth { now: 0x5555, earlier: 6, anothers: 7 }, |_| offer());
    }
}

#[test]
fn versions() {
    let host = VersionRange::SUPPORTED;
    let truth = Truth { now: host.to_word(), earlier: 0x2_0000_0002_0000, anothers: 0x9_0009_0000_0000 };
    lies(word::VERSIONS, truth, |word| match host.common(VersionRange::from_word(word)) {
        Some(_) => offer(),
        None => Comes::Refusal(Refusal::Version { host }),
    });
}

#[test]
fn required() {
    lies(word::FEATURES_REQUIRED, Truth { now: 0, earlier: 6, anothers: 7 }, |bits| {
        Comes::Refusal(Refusal::Features { bits })
    });
}

#[test]
fn optional() {
    lies(word::FEATURES_OPTIONAL, Truth { now: 0, earlier: 6, anothers: 7 }, |_| offer());
}

/// The same with bytes of the cell changed.
fn with_bytes(at: u64, range: RangeInclusive<usize>, bytes: &[u8]) -> Request {
    let mut request = request();
    request.put(at, &vec![0; range.end() + 1]);
    request.put(at, bytes);
    request
}

#[test]
fn port() {
    let mut world = World::new();
    let wrong: [&[u8]; 9] =
        [b"", b"a b", b"../../etc", b"a:b", b"\x1b[2J", b"\xff", b"agent\xff", b"agent\n", &[0xff; 32]];
    for (attempt, bytes) in (1..).zip(wrong) {
        let request = with_bytes(word::PORT, 0..=31, bytes);
        let came = ask(&mut world, &request, attempt);
        // A byte that is no UTF-8 ends the text, as a NUL does.
        let expected = if bytes == b"agent\xff" { offer() } else { Comes::Nothing };
        assert_eq!(came, expected, "{bytes:?}");
    }
    assert_eq!(ask(&mut world, &with_bytes(word::PORT, 0..=31, &[b'x'; 32]), 100), offer());
    world.heals();
    world.finish();
}

#[test]
fn name() {
    let mut world = World::new();
    let names: [(&[u8], &str); 5] = [
        (b"", ""),
        (b"\x1b]0;title\x07\x1b[2J", "\x1b]0;title\x07\x1b[2J"),
        (b"ab\xffcd", "ab"),
        (&[0xff; 64], ""),
        (&[b'n'; 64], &"n".repeat(64)),
    ];
    for (attempt, (bytes, name)) in (1..).zip(names) {
        let came = ask(&mut world, &with_bytes(word::NAME, 0..=63, bytes), attempt);
        // As it was said, cut where it is no text; whoever shows it makes it printable.
        assert_eq!(came, Comes::Offer { name: name.to_owned() }, "{bytes:?}");
    }
    world.heals();
    world.finish();
}

#[test]
fn second_writer() {
    // Who says that of a session that he never had is offered a channel like anybody.
    lies(word::SECOND_WRITER, Truth { now: 0, earlier: 6, anothers: 7 }, |_| offer());
}

#[test]
fn reserved() {
    for at in [176, 200, 240] {
        lies(at, Truth { now: 0, earlier: 6, anothers: 7 }, |_| offer());
    }
}

#[test]
fn checksum() {
    let mut world = World::new();
    // Each with an attempt of its own: one that was seen before is not looked at.
    for index in 0.. {
        let attempt = 1000 + index as u64;
        request().write(&world.peer, CELL, attempt);
        let right = world.peer.cell(CELL, word::CHECKSUM);
        let Some(lie) = right.lies(5, 6).get(index).copied() else { break };
        right.set(lie.value);
        assert_eq!(comes(&mut world), Comes::Nothing, "{lie:?}");
    }
    assert_eq!(ask(&mut world, &request(), 7), offer());
    world.heals();
    world.finish();
}

#[test]
fn a_cell_of_two_requests() {
    // Torn at every word: the first words of one, the others of another.
    let mut world = World::new();
    let other = Request::new(0x77, UUID + 1, 6, "other", "another");
    for at in (16..256).step_by(8) {
        // With the same attempt, which is part of the sum.
        request().write(&world.peer, CELL, at);
        let tail: Vec<u64> = (at..256).step_by(8).map(|at| world.peer.cell(CELL, at).get()).collect();
        other.write(&world.peer, CELL, at);
        for (at, word) in (at..256).step_by(8).zip(tail) {
            world.peer.cell(CELL, at).set(word);
        }
        assert_eq!(comes(&mut world), Comes::Nothing, "at {at}");
    }
    world.heals();
    world.finish();
}

#[test]
fn every_cell_full_of_garbage() {
    let mut world = World::new();
    for cell in 0..16 {
        for at in (0..256).step_by(8) {
            world.peer.cell(cell, at).set(u64::MAX - at);
        }
    }
    world.heals();
    world.finish();
    // Of requests that look right, but whose guests are gone.
    let mut world = World::new();
    world.kill_host();
    for cell in 0..16 {
        Request::new(cell + 1, u128::from(cell) + 100, 5, "agent", "gone").write(&world.peer, cell, cell + 1);
    }
    world.start_host(|_| {});
    world.heals();
    assert_eq!(world.host().guests().len(), 3, "nobody who is gone has a channel");
    world.finish();
}

#[test]
fn more_identities_than_channels() {
    let mut world = World::new();
    for number in 1..=40 {
        let port = format!("port{number}");
        let request = Request::new(number, UUID, 5, &port, "greedy");
        request.write(&world.peer, number % 16, number);
        world.settle();
    }
    world.found_nothing("a greedy guest");
    let full = world
        .at_host
        .iter()
        .filter(|event| matches!(event, HostEvent::Refused { refusal: Refusal::Full { channels: 4 }, .. }));
    assert!(full.count() >= 30);
    // Who has a channel keeps it, and the operator can take those of the greedy.
    let identity =
        |port: &str| Identity { uuid: Uuid::from_u128(UUID), port: Port::new(port).expect("a name") };
    assert!(world.host().evict(&identity("port1")));
    world.settle();
    world.at_host.clear();
    world.heals();
    world.finish();
}
