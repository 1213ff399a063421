//! The directory entry (§2.6), which the host writes and its guest reads.

use std::time::Duration;

use ivring_lab::malicious_peer::Word;
use ivring_proto::layout::{Version, VersionRange, entry_word};
use ivring_proto::link::{GuestEvent, HostEvent, LinkError, Waiting};
use ivring_proto::session::{CloseReason, EntryError, Phase};

use crate::clockwork::Clockwork;

/// Longer than anybody needs to find something.
const LONG: Duration = Duration::from_secs(3);

/// The word in the one guest's entry, and the same of its neighbour.
fn words(clockwork: &Clockwork, word: u64) -> [Word; 2] {
    [&clockwork.guest, &clockwork.neighbour].map(|guest| clockwork.peer.entry(guest.channel(), word))
}

/// What is tried with a word of a session that goes on, each in turn.
fn lies(check: impl Fn(&mut Clockwork, &str, u64), word: u64) {
    let mut clockwork = Clockwork::new(3);
    let mut earlier = words(&clockwork, word)[0].get();
    // A session before this one, whose values are replayed.
    clockwork.peer.entry(clockwork.guest.channel(), entry_word::STATE).set(0);
    clockwork.guest_is_detached("evicted", CloseReason::Evicted);
    for index in 0.. {
        let [own, anothers] = words(&clockwork, word);
        let now = own.get();
        let Some(lie) = own.lies(earlier, anothers.get()).get(index).copied() else { break };
        own.set(lie.value);
        check(&mut clockwork, lie.what, lie.value);
        if words(&clockwork, word)[0].get() == lie.value {
            words(&clockwork, word)[0].set(now);
        }
        earlier = now;
    }
    clockwork.finish();
}

/// The guest has no use for the word once it has confirmed.
fn is_ignored(word: u64) {
    lies(|clockwork, what, _| clockwork.nothing_happens(LONG, what), word);
}

/// What is tried with a word of an offer before the guest looks at it; each time the guest waits, says so where it is told,
/// and the host repeats its offer.
fn lies_in_an_offer(word: u64, told: impl Fn(u64, u64) -> Option<EntryError>) {
    for index in 0.. {
        let mut clockwork = Clockwork::unjoined(3);
        let channel = offered(&mut clockwork);
        let own = clockwork.peer.entry(channel, word);
        let neighbour = clockwork.peer.entry(clockwork.neighbour.channel(), word);
        let Some(lie) = own.lies(0x1000, neighbour.get()).get(index).copied() else { break };
        own.set(lie.value);
        clockwork.guest.stopped = false;
        clockwork.step();
        let said = clockwork.guest.events.first().and_then(|event| match event {
            GuestEvent::Waiting(Waiting::Unusable(error)) => Some(*error),
            _ => None,
        });
        assert_eq!(said, told(channel, lie.value), "{lie:?}");
        clockwork.heals();
        clockwork.finish();
    }
}

/// Stops the guest when it has asked, and has the host answer; returns the channel.
pub fn offered(clockwork: &mut Clockwork) -> u64 {
    let free = |clockwork: &Clockwork| (0..3).find(|channel| clockwork.phase(*channel) == Phase::Offered);
    while free(clockwork).is_none() {
        clockwork.guest.stopped = false;
        clockwork.step();
        clockwork.guest.stopped = true;
        clockwork.step();
    }
    clockwork.guest.events.clear();
    clockwork.at_host.clear();
    free(clockwork).expect("just seen")
}

#[test]
fn state() {
    lies(
        |clockwork, what, value| {
            let [state, reason, ..] = value.to_le_bytes();
            match (state, reason) {
                (0, 0) => clockwork.guest_is_detached(what, CloseReason::Evicted),
                (0 | 3, reason) => clockwork.guest_is_detached(what, CloseReason::from_code(reason)),
                _ => clockwork.nothing_happens(LONG, what),
            }
        },
        entry_word::STATE,
    );
    // Closed and free, for every reason that there is, and some that are not.
    let mut clockwork = Clockwork::new(3);
    for (code, state) in (1..=12_u8).chain([0x7f, 0xff]).flat_map(|code| [(code, 0), (code, 3)]) {
        let channel = clockwork.guest.channel();
        let state = state | u64::from(code) << 8;
        clockwork.peer.entry(channel, entry_word::STATE).set(state);
        match CloseReason::from_code(code) {
            // It would end the program for good.
            CloseReason::Superseded => {
                clockwork.guest_finds("superseded", EntryError::State { channel, state })
            }
            reason => clockwork.guest_is_detached("over", reason),
        }
    }
    clockwork.finish();
}

#[test]
fn state_of_an_offer() {
    lies_in_an_offer(entry_word::STATE, |channel, state| match state & 0xff {
        0 | 1 | 3 => None,
        state => Some(EntryError::State { channel, state }),
    });
}

#[test]
fn nonce() {
    lies(
        |clockwork, what, found| {
            let offer = clockwork.guest.end.offer().expect("attached");
            let (channel, expected) = (offer.channel, offer.nonce);
            clockwork.guest_finds(what, EntryError::Nonce { channel, found, expected });
        },
        entry_word::NONCE,
    );
}

#[test]
fn nonce_of_an_offer() {
    // It is another's answer, or none: the host says it again.
    lies_in_an_offer(entry_word::NONCE, |_, _| None);
}

#[test]
fn salt() {
    is_ignored(entry_word::SALT);
}

#[test]
fn to_guest_salt() {
    is_ignored(entry_word::TO_GUEST_SALT);
}

/// Positions that no ring gets to.
fn no_start(channel: u64, position: u64) -> Option<EntryError> {
    let sane = position.is_multiple_of(8) && position < 1 << 62;
    (!sane).then_some(EntryError::Start { channel, position })
}

#[test]
fn to_host_start() {
    is_ignored(entry_word::TO_HOST_START);
}

#[test]
fn to_guest_start() {
    is_ignored(entry_word::TO_GUEST_START);
}

#[test]
fn starts_of_an_offer() {
    for word in [entry_word::TO_HOST_START, entry_word::TO_GUEST_START] {
        for position in [1, 7, 1 << 62, u64::MAX - 7, u64::MAX] {
            let mut clockwork = Clockwork::unjoined(3);
            let channel = offered(&mut clockwork);
            clockwork.peer.entry(channel, word).set(position);
            clockwork.guest.stopped = false;
            clockwork.step();
            let expected =
                no_start(channel, position).map(|error| GuestEvent::Waiting(Waiting::Unusable(error)));
            assert_eq!(clockwork.guest.events.first(), expected.as_ref());
            clockwork.heals();
            clockwork.finish();
        }
    }
}

#[test]
fn starts_of_an_offer_that_could_be() {
    for (word, to_host) in [(entry_word::TO_HOST_START, true), (entry_word::TO_GUEST_START, false)] {
        for change in [8, -8, 0x8000] {
            let mut clockwork = Clockwork::unjoined(3);
            let channel = offered(&mut clockwork);
            let start = clockwork.peer.entry(channel, word);
            start.set(start.get().wrapping_add_signed(change));
            clockwork.guest.stopped = false;
            clockwork.until("attached", |clockwork| clockwork.is_attached(&clockwork.guest));
            // The two sides do not meet: whoever reads finds out by the first message.
            let is_fault = |error: &LinkError| matches!(error, LinkError::Fault(_));
            if to_host {
                clockwork.send_to_host();
                clockwork.until("the host finds it", |clockwork| {
                    let told = |event: &HostEvent| matches!(event, HostEvent::Fault { error, .. } if is_fault(error));
                    clockwork.at_host.iter().any(told)
                });
            } else {
                // Ahead of the host there is nothing to be read, until it writes there.
                while clockwork.try_to_send_to_guest().is_some() && change > 8 {}
                clockwork.until("one of the two finds it", |clockwork| {
                    let host = |event: &HostEvent| matches!(event, HostEvent::Fault { error, .. } if is_fault(error));
                    let guest = |event: &GuestEvent| matches!(event, GuestEvent::Fault(error) if is_fault(error));
                    clockwork.at_host.iter().any(host) || clockwork.guest.events.iter().any(guest)
                });
            }
            clockwork.heals();
            clockwork.finish();
        }
    }
}

#[test]
fn uuid() {
    is_ignored(entry_word::UUID);
    is_ignored(entry_word::UUID + 8);
}

#[test]
fn boot() {
    is_ignored(entry_word::BOOT);
    is_ignored(entry_word::BOOT + 8);
}

#[test]
fn version() {
    is_ignored(entry_word::VERSION);
}

#[test]
fn version_of_an_offer() {
    lies_in_an_offer(entry_word::VERSION, |channel, value| {
        let found = Version::from_bits((value & 0xffff_ffff) as u32);
        let supported = VersionRange::SUPPORTED;
        (!supported.contains(found)).then_some(EntryError::Version { channel, found, supported })
    });
}

#[test]
fn features() {
    is_ignored(entry_word::FEATURES);
}

#[test]
fn challenge() {
    // The guest answers what it reads, and nobody has asked.
    is_ignored(entry_word::CHALLENGE);
}

#[test]
fn reserved() {
    is_ignored(entry_word::CHALLENGE + 8);
    is_ignored(entry_word::SIZE - 8);
}

#[test]
fn another_session_of_the_same_vm_ends_this_program_for_good() {
    let mut clockwork = Clockwork::new(3);
    for word in [entry_word::SALT, entry_word::NONCE] {
        let own = words(&clockwork, word)[0].clone();
        own.set(own.get() ^ 1 << 40);
    }
    clockwork.until("superseded", |clockwork| clockwork.guest.end.has_ended());
    assert_eq!(clockwork.guest.events, [GuestEvent::Superseded]);
    // Another VM's: the channel was given away.
    let mut clockwork = Clockwork::new(3);
    let uuid = words(&clockwork, entry_word::UUID);
    uuid[0].set(uuid[1].get() ^ 1);
    let nonce = words(&clockwork, entry_word::NONCE);
    nonce[0].set(nonce[1].get());
    clockwork.guest_is_detached("another VM's", CloseReason::Evicted);
    clockwork.finish();
}
