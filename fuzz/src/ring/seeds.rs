//! Inputs to begin with: a ring that is used as it should be, one that is taken over, images, and single lies.

use super::{CONSUMER, DATA, PRODUCER, Reached, SALT, run};
use crate::memory::Mapping;
use crate::seed::Seed;
use ivring_proto::layout::{RingPlace, control_word};
use ivring_proto::ring::{Class, Consumer, Fault, HEADER, Producer};

/// A ring of 64 words, from position 0, with no image.
fn begin() -> Seed {
    Seed::default().bytes([60, 0, 0])
}

fn push(seed: Seed, class: u8, length: u16) -> Seed {
    seed.bytes([0, class, 5]).short(length).bytes([7])
}

fn claim(seed: Seed, length: u16, commit: bool) -> Seed {
    seed.bytes([4, 1, 6]).short(length).bytes([1, 8, u8::from(commit)])
}

fn flush(seed: Seed) -> Seed {
    seed.bytes([5])
}

fn take(seed: Seed) -> Seed {
    seed.bytes([7, 15])
}

#[test]
fn records_go_round_the_ring() {
    let seed = begin().repeat(20, |seed| {
        let seed = flush(claim(claim(push(push(seed, 1, 40), 2, 20), 33, true), 9, false)).bytes([6]);
        take(take(take(take(seed)))).bytes([11, 17])
    });
    let reached = run(&seed.save("ring", "round"));
    assert_eq!(
        (reached.delivered, reached.redelivered, reached.producer_fault, reached.consumer_fault),
        (60, 0, None, None)
    );
}

#[test]
fn a_full_ring_refuses() {
    let seed = begin().repeat(12, |seed| push(seed, 0, 100));
    assert!(run(&take(flush(seed)).save("ring", "full")).full > 0);
}

#[test]
fn both_ends_are_taken_over() {
    let seed = begin().repeat(6, |seed| {
        let seed = flush(push(push(seed, 1, 30), 0, 50)).bytes([14]);
        take(push(seed, 1, 8)).bytes([10, 3]).bytes([15]).bytes([16])
    });
    let reached = run(&take(take(seed)).save("ring", "taken-over"));
    assert!(reached.recovered == 12 && reached.redelivered > 0 && reached.walked > 0, "{reached:?}");
}

/// What a real producer and a real consumer leave, as an input with an image, and then both go on with it.
fn image(change: impl Fn(&Mapping)) -> Seed {
    let capacity = 512;
    let place = RingPlace { data: DATA, capacity, producer: PRODUCER, consumer: CONSUMER };
    let memory = Mapping::new(DATA + capacity);
    let mut tx = Producer::start(memory.clone(), place, SALT, 0);
    let mut rx = Consumer::start(memory.clone(), place, SALT, 0, 0);
    rx.set_release_window(0);
    for length in [100, 60, 120, 100, 30, 90] {
        tx.push(3, Class::Control, &[&vec![9; length]]).expect("there is room");
        tx.flush();
        if length > 80 {
            rx.peek().expect("no fault").expect("a record");
            rx.commit();
        }
    }
    change(&memory);
    let lines = [PRODUCER + control_word::HINT, CONSUMER + control_word::HEAD, CONSUMER + control_word::SEEN];
    let seed =
        lines.into_iter().fold(Seed::default().bytes([60, 0, 1]), |seed, at| seed.word(memory.look(at)));
    let words = (DATA..DATA + capacity).step_by(8).map(|at| memory.look(at));
    words.fold(seed.short(512), Seed::word)
}

#[test]
fn an_image_is_taken_over() {
    let reached = run(&image(|_| {}).bytes([16, 7, 9, 7, 9, 17]).save("ring", "image"));
    assert!(reached.recovered == 2 && reached.delivered == 2 && reached.walked > 0, "{reached:?}");
}

#[test]
fn an_image_with_a_hint_of_elsewhere_is_not() {
    let lie = |memory: &Mapping| memory.scribble(PRODUCER + control_word::HINT, 1 << 40);
    assert_eq!(run(&image(lie).save("ring", "image-hint")).not_recovered, 1);
}

/// A header that the next to come out has, by the call that lies in the ring.
fn header(length: u8, kind: u8) -> Reached {
    let lie = [18, 6, 0, length, kind];
    run(&take(begin().bytes(lie)).save("ring", &format!("header-{length}-{kind}")))
}

#[test]
fn lies_are_named() {
    assert!(matches!(header(4, 2).consumer_fault, Some(Fault::Length { length: 4, .. })));
    assert!(matches!(header(16, 0).consumer_fault, Some(Fault::Kind { .. })));
    assert!(matches!(header(16, 1).consumer_fault, Some(Fault::Padding { .. })));
    assert_eq!(header(16, 2).consumer_fault, None);
    // A head that is one word behind what is published.
    let ahead = begin().bytes([18, 1, 2]).short(1);
    let reached = run(&push(ahead, 0, 500).bytes([17]).save("ring", "head"));
    assert!(matches!(reached.producer_fault, Some(Fault::Head { head: HEADER, .. })), "{reached:?}");
}

#[test]
fn a_word_changes_between_two_looks() {
    let seed = flush(push(begin(), 0, 40)).bytes([19, 1, 6, 0, 12, 2]);
    let reached = run(&take(take(seed)).save("ring", "changed"));
    assert!(reached.consumer_fault.is_some() || reached.delivered > 0, "{reached:?}");
}
