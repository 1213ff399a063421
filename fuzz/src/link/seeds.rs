//! Inputs to begin with: two programs that get on with each other, one that is replaced, and pieces of anything.

use super::run;
use crate::seed::Seed;

/// The other side's calls.
const OTHER: u8 = 128;

fn begin() -> Seed {
    Seed::default().bytes([0])
}

fn send(seed: Seed, by: u8, length: u16) -> Seed {
    seed.bytes([by, 1, 3]).short(length).bytes([9])
}

fn request(seed: Seed, by: u8, length: u16) -> Seed {
    seed.bytes([by + 4, 2, 3]).short(length).bytes([9])
}

fn respond(seed: Seed, by: u8, length: u16) -> Seed {
    seed.bytes([by + 6, 3]).short(length).bytes([1, 0])
}

fn turns(seed: Seed, times: u32) -> Seed {
    seed.repeat(times, |seed| seed.bytes([31, 9, OTHER + 9]))
}

#[test]
fn short_and_long_messages_arrive_both_ways() {
    let seed = [100, 3000, 16_000, 20, 9000]
        .into_iter()
        .fold(begin(), |seed, length| turns(send(send(seed, 0, length), OTHER, length / 2), 8));
    let reached = run(&seed.save("link", "messages"));
    assert_eq!((reached.messages, reached.large, reached.delivered, reached.broken), (10, 5, 5, 0));
}

#[test]
fn requests_are_answered_whatever_their_size() {
    let seed =
        [(10, 20), (6000, 30), (30, 9000), (5000, 5000)].into_iter().fold(begin(), |seed, (ask, answer)| {
            let seed = turns(request(seed, 0, ask), 12).bytes([8, 1, 40]);
            turns(respond(seed, OTHER, answer), 12)
        });
    let reached = run(&seed.save("link", "requests"));
    assert_eq!((reached.requests, reached.answers, reached.other_ends), (4, 4, 0));
}

#[test]
fn what_is_not_answered_comes_to_an_end() {
    let seed = turns(request(begin(), 0, 10), 2).bytes([17, 200]);
    assert_eq!(run(&turns(seed, 1).save("link", "late")).other_ends, 1);
}

#[test]
fn programs_are_replaced_in_the_midst() {
    let seed = send(send(begin(), 0, 16_000), 0, 100);
    let sender = turns(seed.clone(), 1).bytes([18]);
    let receiver = turns(seed, 1).bytes([OTHER + 18]);
    let reached = run(&turns(sender, 8).save("link", "sender-replaced"));
    assert_eq!((reached.replaced, reached.large), (1, 0));
    let reached = run(&turns(receiver, 20).save("link", "receiver-replaced"));
    assert_eq!((reached.replaced, reached.delivered, reached.other_ends), (1, 0, 1));
}

/// A piece of 100 bytes of a message of the first side, at `offset` of `total`, each in hundreds.
fn piece(seed: Seed, transfer: u8, total: u8, offset: u8) -> Seed {
    let named = u8::from(offset != 0);
    let seed = seed.bytes([21, named]).short(100).bytes([0, transfer]);
    seed.bytes([3, total]).bytes([3, offset]).bytes([0, 1])
}

#[test]
fn pieces_of_anything_are_put_together_or_dropped() {
    let whole = piece(piece(piece(begin(), 1, 3, 0), 1, 3, 1), 1, 3, 2);
    assert_eq!(run(&turns(whole, 2).save("link", "pieces")).large, 1);
    let gap = piece(piece(begin(), 1, 3, 0), 1, 3, 2);
    assert_eq!(run(&turns(gap, 2).save("link", "gap")).large, 0);
    let ended = piece(begin(), 1, 3, 0).bytes([25, 0, 1, 3]);
    assert_eq!(run(&turns(piece(ended, 1, 3, 1), 2).save("link", "ended")).large, 0);
}

#[test]
fn a_record_that_is_no_envelope_breaks_the_link() {
    let seed = begin().bytes([26, 1, 0, 15]).bytes([0; 15]);
    assert_eq!(run(&turns(seed, 2).save("link", "no-envelope")).broken, 1);
}

#[test]
fn a_lie_in_the_ring_breaks_it_too() {
    let seed = turns(send(begin(), 0, 50), 2).bytes([28, 6, 0, 3, 2]);
    assert!(run(&turns(seed, 2).save("link", "ring")).broken > 0);
}
