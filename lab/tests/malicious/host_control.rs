//! The host's control block (§2.7), which its guest reads: a line a role. What a host finds in its own lines when it takes
//! over is in `host_restart`.

use ivring_lab::malicious_peer::{Truth, Way, Word};
use ivring_proto::layout::control_word as word;
use ivring_proto::ring::Fault;

use crate::clockwork::Clockwork;
use crate::control_block;
use crate::guest_control::LONG;
use crate::world::World;

/// The word in the one guest's block, and the same of its neighbour.
fn words(clockwork: &Clockwork, line: u64, word: u64) -> [Word; 2] {
    [&clockwork.guest, &clockwork.neighbour]
        .map(|guest| clockwork.peer.host_control(guest.channel(), line, word))
}

/// What is tried with a word, each in turn, in sessions that heal in between.
fn lies(line: u64, word: u64, check: impl Fn(&mut Clockwork, &str, u64)) {
    control_block::lies(|clockwork| words(clockwork, line, word), check);
}

/// The guest has no use for the word.
fn is_ignored(line: u64, word: u64) {
    lies(line, word, |clockwork, what, _| clockwork.nothing_happens(LONG, what));
}

#[test]
fn hint() {
    lies(word::PRODUCER, word::HINT, |clockwork, what, hint| {
        let channel = clockwork.guest.channel();
        let position = clockwork.peer.guest_control(channel, word::CONSUMER, word::HEAD).get();
        if hint.wrapping_sub(position) <= u64::MAX / 2 {
            clockwork.guest_finds(what, Fault::Wedged { hint, position });
        } else {
            clockwork.nothing_happens(LONG, what);
        }
    });
}

#[test]
fn space_want() {
    is_ignored(word::PRODUCER, word::SPACE_WANT);
}

/// How many lies there are about a head.
pub fn head_lies() -> usize {
    let truth = Truth { now: 1 << 20, earlier: 1 << 19, anothers: 1 << 18 };
    truth.lies().len() + 3
}

/// A lie about a head, in words, and what its reader finds: nothing, where it could be so.
pub fn lied_head(
    index: usize,
    now: u64,
    published: u64,
    anothers: u64,
) -> Option<(String, u64, Option<Fault>)> {
    let mut lies: Vec<_> =
        [("all that is published", published), ("more than is published", published + 8)].into();
    lies.push(("in the middle of a record", now + 16));
    lies.extend(
        Truth { now, earlier: now.saturating_sub(800), anothers }
            .lies()
            .iter()
            .map(|lie| (lie.what, lie.value)),
    );
    let (what, head) = *lies.get(index)?;
    let fault = if !head.is_multiple_of(8) {
        Some(Fault::HeadUnaligned { head })
    } else if head.wrapping_sub(now) > published.wrapping_sub(now) {
        Some(Fault::Head { head, from: now, to: published })
    } else {
        None
    };
    Some((format!("a head: {what}"), head, fault))
}

#[test]
fn head() {
    let mut world = World::new();
    for index in 0..head_lies() {
        let channel = world.channel();
        let own = world.peer.host_control(channel, word::CONSUMER, word::HEAD);
        let neighbours = world.neighbours_channel();
        let anothers = world.peer.host_control(neighbours, word::CONSUMER, word::HEAD).get();
        while world.guest().send("fill", &[0; 1000]).is_ok() {}
        let published = world.peer.guest_control(channel, word::PRODUCER, word::HINT).get();
        let Some((what, head, fault)) = lied_head(index, own.get(), published, anothers) else { continue };
        own.set(head);
        let sent = world.guest().send("fill", &[0; 1000]);
        match fault {
            Some(fault) => {
                assert!(sent.is_err(), "{what}");
                world.finds(Way::ToGuest, &what, fault);
            }
            None => {
                // The guest overwrites what the host has not read, and only that is lost: its session may break, no other.
                world.settle();
                world.heals();
            }
        }
    }
    world.finish();
}

#[test]
fn seen() {
    is_ignored(word::CONSUMER, word::SEEN);
}

#[test]
fn seen_of_version_1_0() {
    is_ignored(word::CONSUMER, word::SEEN_IN_1_0);
}

#[test]
fn data_want() {
    is_ignored(word::CONSUMER, word::DATA_WANT);
}

#[test]
fn port() {
    (0..32).step_by(8).for_each(|at| is_ignored(word::TEXT, word::PORT + at));
}

#[test]
fn name() {
    is_ignored(word::TEXT, word::NAME);
    is_ignored(word::TEXT, word::NAME + 56);
}

#[test]
fn reserved() {
    is_ignored(word::PRODUCER, 16);
    is_ignored(word::CONSUMER, 24);
    is_ignored(word::SESSION, 0);
    is_ignored(word::TEXT, 96);
}
