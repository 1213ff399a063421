//! Inputs to begin with: sessions from join to good-bye, every kind of restart, and lies in what a guest writes.

use super::{Reached, run};
use crate::seed::Seed;

const NOBODY: u8 = 0;
const ONE_GUEST: u8 = 1;
const ANYBODY: u8 = 2;

fn begin(liar: u8) -> Seed {
    wait(Seed::default().bytes([liar]))
}

/// Everybody has 30 turns, a millisecond each.
fn wait(seed: Seed) -> Seed {
    seed.bytes([0, 30, 0])
}

/// So many seconds.
fn seconds(seed: Seed, seconds: u8) -> Seed {
    seed.bytes([0, seconds, 4])
}

/// A call of one guest.
fn of(guest: u8, call: u8) -> u8 {
    guest * 32 + call
}

/// Every guest is sent a message, and sends one.
fn messages(seed: Seed) -> Seed {
    (0..3).fold(seed, |seed, guest| seed.bytes([of(guest, 9), 20, of(guest, 11), 30]))
}

#[test]
fn three_guests_join_and_talk() {
    let seed = messages(messages(begin(NOBODY)));
    let reached = run(&wait(seed.bytes([19])).save("session", "talk"));
    assert_eq!((reached.attached, reached.received, reached.detached), ([3, 3], [6, 6], [0, 0]));
}

#[test]
fn everything_is_restarted() {
    // A program, a machine, the host with and without a good-bye, and with nothing remembered.
    for (name, restart, attached) in [
        ("program", vec![13], 4),
        ("machine", vec![14], 4),
        ("host", vec![16, 0], 3),
        ("host-killed", vec![16, 2], 3),
        ("host-forgets", vec![16, 3], 3),
    ] {
        let seed = messages(messages(begin(NOBODY)).bytes([6]).bytes(restart));
        let seed = messages(seconds(wait(seed), 4));
        let reached = run(&wait(seed).save("session", name));
        assert_eq!(reached.attached[0], attached, "{name}: {reached:?}");
        assert!(reached.received[1] >= 6, "{name}: {reached:?}");
    }
}

#[test]
fn guests_leave_and_are_sent_away() {
    let seed = messages(begin(NOBODY)).bytes([15, of(1, 17)]);
    let reached = run(&seconds(wait(seed), 8).save("session", "left"));
    assert_eq!((reached.attached, reached.detached[1]), ([4, 4], 2), "{reached:?}");
}

#[test]
fn silence_is_noticed() {
    let seed = begin(NOBODY).bytes([18]).short(7000);
    let reached = run(&seconds(wait(seed), 10).save("session", "silence"));
    assert_eq!(reached.detached, [0, 0]);
}

/// A lie of the first guest after it has sent something, and what becomes of everybody.
fn lie(name: &str, liar: u8, lie: impl AsRef<[u8]>) -> Reached {
    let seed = messages(begin(liar)).bytes(lie);
    run(&messages(seconds(wait(messages(wait(seed))), 8)).save("session", name))
}

#[test]
fn one_guest_lies_and_is_found_out() {
    // A header behind the last record; a head that is one word on; a good-bye that was never said.
    let reached = lie("lies-header", ONE_GUEST, [26, 0, 5, 0, 3, 2]);
    assert!(reached.faults > 0 && reached.attached[1] > 3, "{reached:?}");
    let reached = lie("lies-bye", ONE_GUEST, [20, 1]);
    assert!(reached.detached[1] > 0 && reached.attached[1] > 3, "{reached:?}");
    lie("lies-confirm", ONE_GUEST, [20, 0]);
    lie("lies-challenge", ONE_GUEST, [20, 3]);
}

#[test]
fn another_writer_is_found() {
    // The heartbeat of the first guest, and the host's.
    let reached = lie("second-guest", ANYBODY, [26, 5, 33, 1, 40]);
    assert!(reached.second_writers > 0, "{reached:?}");
    let reached = lie("second-host", ANYBODY, [26, 13, 1, 1, 40]);
    assert!(reached.second_writers > 0, "{reached:?}");
}

#[test]
fn requests_are_made_up() {
    let forged = |cell: u8, owner: u8, boot: u8| {
        Seed::default().bytes([22, cell, owner]).bytes([b'n'; 16]).bytes([1 + cell, 7 + cell, boot, 1, 0])
    };
    // Two more than there are channels, one with the identity of a guest that lives.
    let seed = [forged(3, 5, 0), forged(4, 6, 0), forged(5, 0, 3)]
        .into_iter()
        .fold(messages(begin(ANYBODY)), |seed, forged| seed.bytes(forged.save("session", "forged")));
    let reached = run(&messages(seconds(seed, 4)).save("session", "forged"));
    assert!(reached.refused > 0, "{reached:?}");
}

#[test]
fn a_region_goes_back_to_init() {
    let reached = lie("init", ANYBODY, [26, 15, 0, 4, 1]);
    assert!(reached.detached[0] > 0, "{reached:?}");
}
