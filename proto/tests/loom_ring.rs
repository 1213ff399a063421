//! The ring's own source under loom, which tries every order of loads and stores that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ivring-proto --release --test loom_ring`, in a target directory of its own.
//! Capacities are a few words and messages a few, else a model takes hours. "Write-combining" means that acquire and
//! release order nothing and the fence points do.
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use ivring_proto::{
    layout::RingPlace,
    memory::{
        MemoryType::{self, WriteBack, WriteCombining},
        ModelMemory,
    },
    ring::{Class, Consumer, Producer, PushError},
};
use loom::{model::Builder, thread};

const SALT: u64 = 0x55;

fn place(capacity: u64) -> RingPlace {
    RingPlace { producer: 0, consumer: 16, data: 88, capacity }
}

fn memory(capacity: u64, kind: MemoryType) -> ModelMemory {
    ModelMemory::new(88 + usize::try_from(capacity).unwrap(), kind)
}

fn start(
    memory: &ModelMemory,
    capacity: u64,
    position: u64,
) -> (Producer<ModelMemory>, Consumer<ModelMemory>) {
    let producer = Producer::start(memory.clone(), place(capacity), SALT, position);
    (producer, Consumer::start(memory.clone(), place(capacity), SALT, position, position))
}

/// A payload whose every word follows from the message's number.
fn payload(number: usize, words: usize) -> Vec<u8> {
    u64::try_from(number << 32 | 7).unwrap().to_le_bytes().repeat(words)
}

fn send(producer: &mut Producer<ModelMemory>, number: usize, words: usize) {
    while let Err(error) = producer.push(2, Class::Control, &[&payload(number, words)]) {
        assert!(matches!(error, PushError::Full { .. }), "{error}");
        thread::yield_now();
    }
}

fn receive(consumer: &mut Consumer<ModelMemory>, number: usize, words: usize) {
    let record = loop {
        if let Some(record) = consumer.peek().unwrap() {
            break record;
        }
        thread::yield_now();
    };
    let mut got = vec![0; record.length()];
    consumer.copy_out(&record, 0, &mut got);
    assert_eq!(got, payload(number, words), "message {number}");
    consumer.commit();
}

/// One case: batches of messages, each a number of payload words, through a ring, in every order.
struct Case {
    capacity: u64,
    batches: &'static [&'static [usize]],
    /// Committed bytes that gather before they are released.
    window: u64,
    kind: MemoryType,
    /// How many times a thread is interrupted where it need not be; nothing for all there are.
    preemptions: Option<usize>,
}

impl Case {
    fn check(&'static self) {
        let mut builder = Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.max_branches = 20_000;
        builder.check(move || {
            let (mut producer, mut consumer) = start(&memory(self.capacity, self.kind), self.capacity, 0);
            consumer.set_release_window(self.window);
            let sender = thread::spawn(move || {
                let mut number = 0;
                for batch in self.batches {
                    for words in *batch {
                        send(&mut producer, number, *words);
                        number += 1;
                    }
                    producer.flush();
                    producer.prepare();
                }
            });
            for (number, words) in self.batches.iter().copied().flatten().enumerate() {
                receive(&mut consumer, number, *words);
            }
            sender.join().unwrap();
        });
    }
}

macro_rules! cases {
    ($($name:ident: $capacity:literal, $batches:expr, window $window:literal, $kind:ident, $preemptions:expr;)*) => {$(
        #[test]
        fn $name() {
            static CASE: Case = Case {
                capacity: $capacity,
                batches: &$batches,
                window: $window,
                kind: $kind,
                preemptions: $preemptions,
            };
            CASE.check();
        }
    )*};
}

cases! {
    single_messages: 48, [&[1], &[1], &[1], &[1]], window 0, WriteBack, Some(3);
    records_that_end_with_the_ring: 32, [&[1], &[1], &[1]], window 24, WriteBack, None;
    padding: 48, [&[1], &[2], &[2], &[1]], window 0, WriteBack, Some(3);
    batches: 64, [&[1, 1], &[1, 1], &[1]], window 24, WriteBack, None;
    a_batch_with_padding: 64, [&[2, 1], &[2], &[1]], window 40, WriteBack, Some(3);
    a_capacity_that_is_no_power_of_two: 56, [&[1], &[2], &[1, 1], &[2]], window 24, WriteBack, Some(3);
    a_batch_that_wraps: 64, [&[1, 2], &[2, 1], &[1], &[3]], window 24, WriteBack, Some(3);
    write_combining: 48, [&[1], &[2], &[1]], window 0, WriteCombining, None;
    write_combining_in_batches: 64, [&[1, 1], &[1, 1], &[1]], window 24, WriteCombining, Some(3);
    write_combining_that_wraps: 64, [&[1, 2], &[2, 1], &[1]], window 24, WriteCombining, Some(3);
}

/// The consumer goes on while a successor of the producer finds its place and continues.
fn recover_beside_a_consumer(kind: MemoryType) {
    for begin in [0, 16, 40] {
        let mut builder = Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let memory = memory(64, kind);
            let (mut first, mut consumer) = start(&memory, 64, begin);
            consumer.set_release_window(0);
            for number in 0..2 {
                send(&mut first, number, 1);
                first.flush();
            }
            send(&mut first, 9, 0);
            drop(first);
            let sender = thread::spawn(move || {
                let mut second = Producer::recover(memory, place(64), SALT).unwrap();
                // Reaches into the space of the first message, which a fresh head shows to be free.
                send(&mut second, 2, 3);
                send(&mut second, 3, 1);
                second.flush();
            });
            for (number, words) in [1, 1, 3, 1].into_iter().enumerate() {
                receive(&mut consumer, number, words);
            }
            sender.join().unwrap();
        });
    }
}

#[test]
fn recovery_beside_a_consumer() {
    recover_beside_a_consumer(WriteBack);
}

#[test]
fn recovery_beside_a_consumer_on_write_combining() {
    recover_beside_a_consumer(WriteCombining);
}

/// Where stores become visible in their order, a hint is never seen before the records it counts.
fn hint_follows_the_records(kind: MemoryType) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (mut producer, mut consumer) = start(&memory(48, kind), 48, 0);
        let sender = thread::spawn(move || {
            send(&mut producer, 0, 0);
            producer.flush();
        });
        while consumer.peek().unwrap().is_none() {
            assert!(!consumer.is_behind_hint(), "the hint was visible before the record");
            thread::yield_now();
        }
        sender.join().unwrap();
    });
}

#[test]
fn the_hint_follows_the_records() {
    hint_follows_the_records(WriteBack);
}

#[test]
fn the_hint_follows_the_records_on_write_combining() {
    hint_follows_the_records(WriteCombining);
}

/// A reader that only walks, such as a host that counts what is undelivered, beside a producer.
#[test]
fn a_walk_beside_the_producer_ends_between_batches() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let memory = memory(64, WriteBack);
        let (mut producer, _) = start(&memory, 64, 0);
        let sender = thread::spawn(move || {
            send(&mut producer, 0, 0);
            send(&mut producer, 1, 1);
            producer.flush();
            send(&mut producer, 2, 0);
            producer.flush();
        });
        let end = ivring_proto::ring::walk(&memory, place(64), SALT, 0, |_| {}).unwrap();
        assert!([0, 24, 32].contains(&end), "{end}");
        sender.join().unwrap();
    });
}
