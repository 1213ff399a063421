//! When a program is done with what it received, and what comes again when it was not.

use crate::pair::{Side, content, pair};
use ivring_proto::link::{Arrival, Outcome};

/// Sends numbered messages, the first large.
fn send(side: &mut Side, count: u8) {
    for number in 0..count {
        side.send("n", &[number]).unwrap();
    }
}

fn numbers(side: &Side) -> Vec<(u8, bool)> {
    side.arrived
        .iter()
        .map(|arrival| match arrival {
            Arrival::Message { payload, redelivered, .. } => (payload[0], *redelivered),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn what_was_released_does_not_come_again_and_the_last_in_hand_does() {
    let mut sides = pair(4096);
    sides[1].link.rx().set_release_window(0);
    send(&mut sides[0], 5);
    for _ in 0..3 {
        sides[1].take_one();
    }
    sides[1].replace();
    while sides[1].take_one() {}
    assert_eq!(numbers(&sides[1]), [(2, true), (3, false), (4, false)]);
}

#[test]
fn an_ack_says_that_the_last_one_is_done_with_too() {
    let mut sides = pair(4096);
    send(&mut sides[0], 5);
    for _ in 0..3 {
        sides[1].take_one();
    }
    sides[1].link.ack();
    sides[1].link.rx().release();
    sides[1].replace();
    while sides[1].take_one() {}
    assert_eq!(numbers(&sides[1]), [(3, false), (4, false)]);
}

#[test]
fn the_window_is_how_much_comes_again() {
    let mut sides = pair(4096);
    // Each takes 32 bytes: header 8, envelope 16, topic and payload 2, rounded up.
    sides[1].link.rx().set_release_window(3 * 32);
    send(&mut sides[0], 8);
    for _ in 0..6 {
        sides[1].take_one();
    }
    sides[1].replace();
    while sides[1].take_one() {}
    let again = [(3, true), (4, true), (5, true), (6, false), (7, false)];
    assert_eq!(numbers(&sides[1]), again);
}

#[test]
fn a_batch_comes_again_as_a_whole_until_it_is_done_with() {
    let mut sides = pair(4096);
    sides[1].link.rx().set_release_window(0);
    send(&mut sides[0], 5);
    sides[1].link.rx().hold(true);
    sides[1].exchange.hold(true);
    while sides[1].take_one() {}
    assert_eq!(numbers(&sides[1]).len(), 5);
    sides[1].replace();
    sides[1].link.rx().hold(true);
    while sides[1].take_one() {}
    assert_eq!(numbers(&sides[1]), [(0, true), (1, true), (2, true), (3, true), (4, true)]);
    sides[1].link.rx().hold(false);
    sides[1].link.ack();
    sides[1].link.rx().release();
    sides[1].replace();
    assert!(!sides[1].take_one());
}

#[test]
fn a_large_message_in_a_batch_is_acknowledged_with_it() {
    let mut sides = pair(4096);
    let id = sides[0].send("file", &content(1, 5000)).unwrap();
    sides[1].exchange.hold(true);
    for _ in 0..100 {
        sides[0].turn();
        sides[1].turn();
    }
    assert_eq!((sides[1].arrived.len(), &sides[0].outcomes[..]), (1, &[][..]));
    sides[1].exchange.hold(false);
    sides[1].exchange.ack();
    sides[1].turn();
    sides[0].turn();
    assert_eq!(sides[0].outcomes, [Outcome::Delivered { id }]);
}
