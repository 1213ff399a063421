//! One of the programs is killed and another goes on with the rings, in the middle of messages in fragments.

use crate::pair::{BUDGET, Side, content, pair, settle};
use ivring_proto::link::{Arrival, Outcome, Unanswered};
use std::time::Duration;

/// Moves pieces until about half of the message is over.
fn half(sides: &mut [Side; 2], length: usize) {
    while sides[1].link.counters().received_bytes < length as u64 / 2 {
        sides[0].turn();
        sides[1].take_one();
    }
}

#[test]
fn a_receiver_that_is_replaced_leaves_its_sender_an_interrupted_message() {
    let mut sides = pair(4096);
    let (first, second) = (content(1, 50_000), content(2, 50_000));
    let id = sides[0].send("file", &first).unwrap();
    half(&mut sides, first.len());
    sides[1].replace();
    sides[0].exchange.peer_was_replaced();
    settle(&mut sides);
    assert_eq!(sides[0].outcomes, [Outcome::Interrupted { id, kind: ivring_proto::link::Kind::Message }]);
    assert_eq!(sides[1].arrived, []);
    assert!(sides[1].exchange.losses().stray_fragments > 0);
    let next = sides[0].send("file", &second).unwrap();
    settle(&mut sides);
    assert_eq!(sides[1].messages("file"), [&second[..]]);
    assert_eq!(sides[0].outcomes[1..], [Outcome::Delivered { id: next }]);
}

#[test]
fn a_receiver_that_never_says_it_was_replaced_gives_itself_away() {
    let mut sides = pair(4096);
    let id = sides[0].send("file", &content(1, 50_000)).unwrap();
    half(&mut sides, 50_000);
    sides[1].replace();
    settle(&mut sides);
    assert_eq!(sides[0].interrupted(), [id]);
}

#[test]
fn what_was_not_begun_goes_to_the_new_program() {
    let mut sides = pair(4096);
    let begun = sides[0].send("file", &content(1, 50_000)).unwrap();
    half(&mut sides, 50_000);
    let waits = content(2, 50_000);
    let kept = sides[0].send("file", &waits).unwrap();
    sides[1].replace();
    sides[0].exchange.peer_was_replaced();
    settle(&mut sides);
    assert_eq!(sides[0].interrupted(), [begun]);
    assert_eq!(sides[1].messages("file"), [&waits[..]]);
    assert!(sides[0].outcomes.contains(&Outcome::Delivered { id: kept }));
}

#[test]
fn a_sender_that_is_replaced_leaves_nothing_of_a_message_behind() {
    let mut sides = pair(4096);
    sides[0].send("file", &content(1, 50_000)).unwrap();
    half(&mut sides, 50_000);
    assert!(sides[1].budget.left() < BUDGET);
    sides[0].replace();
    let peer = sides[0].incarnation();
    let (exchange, link) = (&mut sides[1].exchange, &mut sides[1].link);
    exchange.peer_is_being_replaced(peer, link);
    settle(&mut sides);
    assert_eq!(sides[1].budget.left(), BUDGET);
    let next = content(2, 50_000);
    sides[0].send("file", &next).unwrap();
    settle(&mut sides);
    assert_eq!(sides[1].messages("file"), [&next[..]]);
}

#[test]
fn the_next_message_ends_one_that_its_sender_did_not_finish() {
    let mut sides = pair(4096);
    sides[0].send("file", &content(1, 50_000)).unwrap();
    half(&mut sides, 50_000);
    sides[0].replace();
    let next = content(2, 5_000);
    sides[0].send("file", &next).unwrap();
    settle(&mut sides);
    assert_eq!(sides[1].messages("file"), [&next[..]]);
    assert_eq!(sides[1].budget.left(), BUDGET);
}

#[test]
fn a_word_that_the_dead_program_left_still_counts() {
    let mut sides = pair(4096);
    let id = sides[0].send("file", &content(1, 5000)).unwrap();
    while sides[1].messages("file").is_empty() {
        sides[0].exchange.pump(&mut sides[0].link).unwrap();
        sides[1].take_one();
    }
    // It says that it is done with the message, and is killed before the other side looks.
    sides[1].exchange.ack();
    sides[1].exchange.pump(&mut sides[1].link).unwrap();
    sides[1].replace();
    let peer = sides[1].incarnation();
    let (exchange, link) = (&mut sides[0].exchange, &mut sides[0].link);
    exchange.peer_is_being_replaced(peer, link);
    settle(&mut sides);
    assert_eq!(sides[0].outcomes, [Outcome::Delivered { id }]);
}

#[test]
fn without_such_a_word_the_message_is_interrupted_once_the_ring_was_gone_through() {
    for keeps_talking in [false, true] {
        let mut sides = pair(4096);
        let id = sides[0].send("file", &content(1, 50_000)).unwrap();
        let asked = sides[0].request("ask", &content(1, 50_000), Duration::MAX).unwrap();
        half(&mut sides, 50_000);
        sides[1].replace();
        let peer = sides[1].incarnation();
        let (exchange, link) = (&mut sides[0].exchange, &mut sides[0].link);
        exchange.peer_is_being_replaced(peer, link);
        for _ in 0..100 {
            if keeps_talking {
                // The inbound ring is never found empty.
                while sides[1].send("talk", &[0; 64]).is_ok() {}
                for _ in 0..8 {
                    sides[0].take_one();
                }
            } else {
                sides[0].turn();
            }
        }
        let [side, _] = &mut sides;
        side.outcomes.extend(std::iter::from_fn(|| side.exchange.outcome()));
        assert_eq!(side.interrupted(), [id], "keeps talking: {keeps_talking}");
        settle(&mut sides);
        // The request had not been begun.
        assert!(matches!(&sides[1].arrived[..], [Arrival::Request { id, .. }] if *id == asked));
    }
}

#[test]
fn a_request_half_over_is_not_answered_by_the_next_program() {
    let mut sides = pair(4096);
    let id = sides[0].request("ask", &content(1, 50_000), Duration::MAX).unwrap();
    half(&mut sides, 50_000);
    sides[1].replace();
    sides[0].exchange.peer_was_replaced();
    settle(&mut sides);
    assert_eq!(sides[0].outcomes, [Outcome::Unanswered { id, why: Unanswered::Interrupted }]);
}
