//! The status page (§2.5): epoch and heartbeat, which all guests read, and the answers to join requests.

use std::time::Duration;

use ivring_lab::malicious_peer::{Truth, Word};
use ivring_proto::layout::{VersionRange, answer_word, cell_word, status_word};
use ivring_proto::link::{GuestEvent, Waiting};
use ivring_proto::session::{Answer, CloseReason, Refusal, SecondWriter};

use crate::clockwork::{Clockwork, Guest};
use crate::guest_control::LONG;

/// What is tried with one of the two words, each in turn: the host finds it by its next beat and stands by; when it has been alone
/// for a while, it begins anew, with every session over. `told` is what a guest hears before that.
fn host_finds(word: u64, told: impl Fn(u64) -> Option<GuestEvent>) {
    let mut clockwork = Clockwork::new(3);
    let mut earlier = 0x1000;
    for index in 0.. {
        let own = clockwork.peer.status(word);
        let anothers = clockwork.peer.status(status_word::EPOCH ^ status_word::HEARTBEAT ^ word).get();
        let written = own.get();
        let Some(lie) = own.lies(earlier, anothers).get(index).copied() else { break };
        own.set(lie.value);
        let ended = GuestEvent::Detached(CloseReason::SecondWriter);
        clockwork.until("the session ends", |clockwork| clockwork.guest.events.contains(&ended));
        assert_eq!(clockwork.second_writers, [SecondWriter { written, found: lie.value }], "{lie:?}");
        let events: Vec<_> = told(lie.value).into_iter().chain([ended]).collect();
        assert_eq!(clockwork.guest.events, events, "{lie:?}");
        clockwork.heals();
        earlier = written;
    }
    clockwork.finish_with_losses();
}

#[test]
fn epoch() {
    host_finds(status_word::EPOCH, |value| {
        Some(if value == 0 { GuestEvent::HostAway } else { GuestEvent::HostRestarted })
    });
}

#[test]
fn heartbeat() {
    host_finds(status_word::HEARTBEAT, |_| None);
}

#[test]
fn reserved() {
    let mut clockwork = Clockwork::new(3);
    for at in [16, 24, 1024, 2040] {
        clockwork.peer.status(at).set(u64::MAX);
    }
    clockwork.nothing_happens(LONG, "reserved words");
    clockwork.finish();
}

/// A guest that is refused, and the words of its answer: a region of two channels, which others have.
fn refused() -> (Clockwork, Guest, u64) {
    let mut clockwork = Clockwork::new(2);
    let mut third = clockwork.third();
    clockwork.run_with(&mut third, Duration::from_millis(100));
    assert_eq!(told(&third).map(|answer| answer.refusal), Some(Refusal::Full { channels: 2 }));
    let taken = |cell: &u64| clockwork.peer.cell(*cell, cell_word::ATTEMPT).get() != 0;
    let cell = (0..16).find(taken).expect("it waits in one");
    (clockwork, third, cell)
}

fn told(guest: &Guest) -> Option<Answer> {
    match guest.events.last()? {
        GuestEvent::Waiting(Waiting::Refused(answer)) => Some(*answer),
        _ => None,
    }
}

/// What is tried with a word of the answer, each in turn; at last there is room, and the guest comes in.
fn answers(word: u64, expected: impl Fn(&Word, u64) -> Option<Refusal>) {
    let (mut clockwork, mut third, cell) = refused();
    let own = clockwork.peer.answer(cell, word);
    let nonce = clockwork.peer.answer(cell, answer_word::NONCE);
    let (right, right_nonce) = (own.get(), nonce.get());
    for lie in (Truth { now: right, earlier: 2, anothers: 3 }).lies() {
        own.set(lie.value);
        // The host answers again when the guest asks again, and not before.
        third.events.clear();
        clockwork.step_with(&mut third);
        let refusal = told(&third).map(|answer| answer.refusal);
        let still = nonce.get() == right_nonce;
        assert_eq!(refusal, expected(&own, lie.value).filter(|_| still), "{lie:?}");
        assert!(third.events.len() <= 1 && !third.end.is_attached(), "{:?}", third.events);
        own.set(right);
        nonce.set(right_nonce);
        clockwork.step_with(&mut third);
    }
    comes_in(clockwork, third);
}

fn comes_in(mut clockwork: Clockwork, mut third: Guest) {
    // The one guest leaves.
    clockwork.guest.end.bye();
    clockwork.run_with(&mut third, Duration::from_secs(1));
    assert!(third.end.is_attached(), "{:?}", third.events);
    clockwork.finish();
}

#[test]
fn nonce_of_an_answer() {
    // Of another request, or none.
    answers(answer_word::NONCE, |_, _| None);
}

#[test]
fn code_of_an_answer() {
    answers(answer_word::CODE, |_, code| {
        Some(match code {
            2 => Refusal::Version { host: VersionRange::from_word(2) },
            3 => Refusal::Features { bits: 2 },
            code => Refusal::Unknown { code },
        })
    });
}

#[test]
fn detail_of_an_answer() {
    answers(answer_word::DETAIL, |_, channels| Some(Refusal::Full { channels }));
}

#[test]
fn text_of_an_answer() {
    let (mut clockwork, mut third, cell) = refused();
    for word in
        [u64::MAX, 0, u64::from_le_bytes(*b"\x1b[2Jab\xff\xff"), u64::from_le_bytes(*b"text\0\xc3\x28a")]
    {
        clockwork.peer.answer(cell, answer_word::TEXT).set(word);
        clockwork.step_with(&mut third);
        // Cut at what is no text; the refusal is told by its code.
        let answer = told(&third).expect("refused");
        assert_eq!(answer.refusal, Refusal::Full { channels: 2 });
        assert!(answer.text.as_str().len() <= answer_word::TEXT_LEN);
        assert!(["", "\x1b[2Jab", "text"].contains(&answer.text.as_str()), "{:?}", answer.text);
    }
    comes_in(clockwork, third);
}

#[test]
fn an_answer_that_no_host_gave() {
    let mut clockwork = Clockwork::unjoined(3);
    let channel = crate::directory::offered(&mut clockwork);
    let _ = channel;
    let cell =
        (0..16).find(|cell| clockwork.peer.cell(*cell, cell_word::ATTEMPT).get() != 0).expect("it asks");
    let nonce = clockwork.peer.cell(cell, cell_word::NONCE).get();
    clockwork.peer.answer(cell, answer_word::CODE).set(5);
    clockwork.peer.answer(cell, answer_word::NONCE).set(nonce);
    clockwork.guest.stopped = false;
    clockwork.heals();
    clockwork.finish();
}
