//! The guest's control block (§2.7), which the host reads: a line a role.

use std::time::Duration;

use ivring_host::Event as HostEvent;
use ivring_lab::malicious_peer::{Way, Word};
use ivring_proto::layout::{control_word as word, entry_word};
use ivring_proto::ring::Fault;
use ivring_proto::session::{CloseReason, Phase, Refusal};

use crate::clockwork::Clockwork;
use crate::control_block;
use crate::host_control::{head_lies, lied_head};
use crate::world::World;

/// Longer than anybody needs to find something.
pub const LONG: Duration = Duration::from_secs(3);

/// The word in the one guest's block, and the same of its neighbour.
fn words(clockwork: &Clockwork, line: u64, word: u64) -> [Word; 2] {
    [&clockwork.guest, &clockwork.neighbour]
        .map(|guest| clockwork.peer.guest_control(guest.channel(), line, word))
}

/// What is tried with a word, each in turn, in sessions that heal in between.
fn lies(line: u64, word: u64, check: impl Fn(&mut Clockwork, &str, u64)) {
    control_block::lies(|clockwork| words(clockwork, line, word), check);
}

/// The host has no use for the word while the session goes on.
fn is_ignored(line: u64, word: u64) {
    lies(line, word, |clockwork, what, _| clockwork.nothing_happens(LONG, what));
}

#[test]
fn hint() {
    lies(word::PRODUCER, word::HINT, |clockwork, what, hint| {
        let channel = clockwork.guest.channel();
        let position = clockwork.peer.host_control(channel, word::CONSUMER, word::HEAD).get();
        if hint.wrapping_sub(position) <= u64::MAX / 2 {
            clockwork.host_finds(what, Fault::Wedged { hint, position });
        } else {
            clockwork.nothing_happens(LONG, what);
        }
    });
}

#[test]
fn space_want() {
    is_ignored(word::PRODUCER, word::SPACE_WANT);
}

#[test]
fn head() {
    let mut world = World::new();
    for index in 0..head_lies() {
        let channel = world.channel();
        let who = world.who();
        let own = world.peer.guest_control(channel, word::CONSUMER, word::HEAD);
        let neighbours = world.neighbours_channel();
        let anothers = world.peer.guest_control(neighbours, word::CONSUMER, word::HEAD).get();
        // The host looks at it when it needs space.
        world.deaf = true;
        while world.host().send(&who, "fill", &[0; 1000]).is_ok() {}
        let published = world.peer.host_control(channel, word::PRODUCER, word::HINT).get();
        let Some((what, head, fault)) = lied_head(index, own.get(), published, anothers) else { continue };
        own.set(head);
        let sent = world.host().send(&who, "fill", &[0; 1000]);
        match fault {
            Some(fault) => {
                assert!(sent.is_err(), "{what}");
                world.finds(Way::ToHost, &what, fault);
            }
            None => {
                // It gives up what it has not read: its own loss.
                world.found_nothing(&what);
                world.heals();
            }
        }
    }
    world.finish();
}

/// Lies in a word that says what was handed over: of a guest that is killed, and of one that says good-bye.
fn handed_over(at: u64) {
    for killed in [true, false] {
        let mut world = World::new();
        for index in 0.. {
            let channel = world.channel();
            let (who, neighbours) = (world.who(), world.neighbours_channel());
            let anothers = world.peer.guest_control(neighbours, word::CONSUMER, at).get();
            let own = world.peer.guest_control(channel, word::CONSUMER, at);
            let Some(lie) = own.lies(64, anothers).get(index).copied() else { break };
            world.deaf = true;
            for number in 0..3 {
                world.host().send(&who, "waits", &[number; 20]).expect("room");
            }
            own.set(lie.value);
            world.goes_on(lie.what);
            if killed {
                world.kill_guest();
                world.join_again();
                // All three, in order; marked or not is what the guest itself said.
                world.until("what waited", |world| waited(world).len() == 3);
                assert_eq!(waited(&world), [0, 1, 2], "{lie:?}");
            } else {
                world.end_guest();
                let told = |world: &World| {
                    world.at_host.iter().find_map(|event| match event {
                        HostEvent::Undelivered { what, .. } => Some(what.count),
                        _ => None,
                    })
                };
                let gone = |event: &HostEvent| matches!(event, HostEvent::Detached { .. });
                world.until("it is gone", |world| world.at_host.iter().any(gone));
                world.settle();
                assert!(told(&world).is_none_or(|count| count <= 3), "{lie:?}: {:?}", told(&world));
            }
            world.heals();
        }
        world.finish();
    }
}

fn waited(world: &World) -> Vec<u8> {
    world
        .at_guest
        .iter()
        .filter_map(|event| match event {
            ivring_guest::Event::Message { topic, payload, .. } if topic == "waits" => Some(payload[0]),
            _ => None,
        })
        .collect()
}

#[test]
fn seen() {
    is_ignored(word::CONSUMER, word::SEEN);
    handed_over(word::SEEN);
}

#[test]
fn seen_of_version_1_0() {
    is_ignored(word::CONSUMER, word::SEEN_IN_1_0);
    handed_over(word::SEEN_IN_1_0);
}

#[test]
fn data_want() {
    is_ignored(word::CONSUMER, word::DATA_WANT);
}

#[test]
fn confirm() {
    is_ignored(word::SESSION, word::CONFIRM);
}

#[test]
fn confirm_of_an_offer() {
    for index in 0.. {
        let mut clockwork = Clockwork::unjoined(3);
        let channel = crate::directory::offered(&mut clockwork);
        let right = clockwork.peer.entry(channel, entry_word::NONCE).get()
            ^ clockwork.peer.entry(channel, entry_word::SALT).get();
        let own = clockwork.peer.guest_control(channel, word::SESSION, word::CONFIRM);
        let neighbours = clockwork.neighbour.channel();
        let anothers = clockwork.peer.guest_control(neighbours, word::SESSION, word::CONFIRM).get();
        own.set(right);
        let Some(lie) = own.lies(0x77, anothers).get(index).copied() else { break };
        own.set(lie.value);
        // Garbage in the ring is not looked at.
        let scribe = clockwork.peer.scribe(channel, Way::ToHost);
        clockwork.peer.word(scribe.at(scribe.position)).set(u64::MAX);
        clockwork.run(LONG);
        assert_eq!((clockwork.phase(channel), &clockwork.at_host[..]), (Phase::Offered, &[][..]), "{lie:?}");
        clockwork.guest.stopped = false;
        clockwork.heals();
        clockwork.finish();
    }
}

#[test]
fn heartbeat() {
    // The guest finds at its next beat that somebody else writes here; to the host it lives.
    lies(word::SESSION, word::HEARTBEAT, |clockwork, what, _| {
        clockwork.guest_is_detached(what, CloseReason::SecondWriter);
    });
    // Frozen: the host says so, and keeps the channel.
    let mut clockwork = Clockwork::new(3);
    clockwork.guest.stopped = true;
    clockwork.run(Duration::from_secs(7));
    assert_eq!(clockwork.at_host, [ivring_proto::link::HostEvent::Stale]);
    clockwork.guest.stopped = false;
    clockwork.run(LONG);
    assert_eq!(clockwork.at_host.last(), Some(&ivring_proto::link::HostEvent::Back));
    clockwork.talk();
    clockwork.finish();
}

#[test]
fn bye() {
    is_ignored(word::SESSION, word::BYE);
    // The right one frees the channel; whoever was scribbled over comes back.
    let mut clockwork = Clockwork::new(3);
    let nonce = clockwork.guest.end.offer().expect("attached").nonce;
    words(&clockwork, word::SESSION, word::BYE)[0].set(nonce);
    clockwork.guest_is_detached("a good-bye", CloseReason::from_code(0));
    clockwork.finish();
}

#[test]
fn bye_reason() {
    is_ignored(word::SESSION, word::BYE_REASON);
    let mut clockwork = Clockwork::new(3);
    for reason in [0, 1, 2, 4, 9, 10, 0xff, 0x1_0003, u64::MAX] {
        let nonce = clockwork.guest.end.offer().expect("attached").nonce;
        words(&clockwork, word::SESSION, word::BYE_REASON)[0].set(reason);
        words(&clockwork, word::SESSION, word::BYE)[0].set(nonce);
        let [code, ..] = reason.to_le_bytes();
        let expected = CloseReason::from_code(code);
        clockwork.until("a good-bye", |clockwork| !clockwork.is_attached(&clockwork.guest));
        clockwork.run(Duration::from_millis(50));
        let told = clockwork.at_host.iter().any(|event| {
            matches!(event, ivring_proto::link::HostEvent::Detached { reason, .. } if *reason == expected)
        });
        assert!(told, "{reason:#x}: {:?}", clockwork.at_host);
        clockwork.heals();
    }
    clockwork.finish();
}

#[test]
fn challenge_answer() {
    is_ignored(word::SESSION, word::CHALLENGE_ANSWER);
    // Somebody with the same identity and another boot asks, and the incumbent is dead: a wrong answer is none.
    let mut clockwork = Clockwork::new(3);
    clockwork.guest.stopped = true;
    let channel = clockwork.guest.channel();
    let own = words(&clockwork, word::SESSION, word::CHALLENGE_ANSWER)[0].clone();
    let mut other = clockwork.other_boot(7);
    clockwork.challenged(&mut other, LONG, |clockwork| {
        let value = clockwork.peer.entry(channel, entry_word::CHALLENGE).get();
        own.set(value.wrapping_sub(1));
    });
    assert!(other.end.is_attached(), "{:?}", other.events);
    // With the right one the dead keeps its channel: nobody but itself is worse off.
    let mut clockwork = Clockwork::new(3);
    clockwork.guest.stopped = true;
    let own = words(&clockwork, word::SESSION, word::CHALLENGE_ANSWER)[0].clone();
    let mut other = clockwork.other_boot(7);
    clockwork.challenged(&mut other, Duration::from_secs(1), |clockwork| {
        own.set(clockwork.peer.entry(channel, entry_word::CHALLENGE).get());
    });
    assert!(!other.end.is_attached(), "{:?}", other.events);
    assert!(clockwork.refused.iter().all(|refused| refused.refusal == Refusal::DuplicateIdentity));
    assert!(!clockwork.refused.is_empty());
    clockwork.guest.stopped = false;
    clockwork.run(LONG);
    clockwork.talk();
    clockwork.finish();
}

#[test]
fn reserved() {
    is_ignored(word::PRODUCER, 16);
    is_ignored(word::CONSUMER, 24);
    is_ignored(word::SESSION, 40);
    is_ignored(word::TEXT, 0);
}
