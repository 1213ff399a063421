//! The fence points on real processors: every store non-temporal, and so free to leave in any order, between two threads.
//!
//! With the fences nothing may ever be wrong. Without one of them something should be, before long; where it is not, the test
//! says so. What came of it on which processor is in docs/memory-types.md.
#![cfg(all(target_arch = "x86_64", not(miri)))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use ivring_proto::{
    memory::{FencePoint, Memory, StreamedMemory},
    ring::{Class, Consumer, Producer, PushError},
};

mod bare_ring;
use bare_ring::{place, size};

const CAPACITY: u64 = 4096;
const SALT: u64 = 0x00fe_11ce;
/// Messages with all fences.
const MESSAGES: u32 = 200_000;
/// Messages at most without any fence between stores, and without one of all.
const UNFENCED_MESSAGES: u32 = 1_000_000;
const PARTLY_FENCED_MESSAGES: u32 = 50_000;

/// Message `number`: its length, up to five lines, and every byte follow from the number.
fn message(number: u32, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&number.to_le_bytes());
    let length = number.wrapping_mul(2_654_435_761) >> 24;
    into.extend((0..length).map(|i| number.wrapping_add(i).to_le_bytes()[0]));
}

/// What was wrong, and after how many messages.
#[derive(Debug)]
struct Wrong {
    message: u32,
    what: String,
}

/// Sends so many messages from one thread to another and checks each, until one is wrong.
fn exchange(memory: StreamedMemory, messages: u32) -> Result<(), Wrong> {
    let mut producer = Producer::start(memory.clone(), place(CAPACITY), SALT, 0);
    let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), SALT, 0, 0);
    memory.full();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut payload = vec![];
            for number in 0..messages {
                message(number, &mut payload);
                while let Err(error) = producer.push(9, Class::Control, &[&payload]) {
                    // A head that is wrong ends it too: the consumer then waits for what does not come, and gives up.
                    if !matches!(error, PushError::Full { .. }) || over.load(Relaxed) {
                        over.store(true, Relaxed);
                        return;
                    }
                    thread::yield_now();
                }
                // Batches of one to four.
                if payload.len() % 4 == 0 {
                    producer.flush();
                }
            }
            producer.flush();
            // Also where the fence is missing that would let the last ones out.
            memory.full();
        });
        let received = receive_all(&mut consumer, messages, &over);
        over.store(true, Relaxed);
        received
    })
}

fn receive_all(
    consumer: &mut Consumer<StreamedMemory>,
    messages: u32,
    over: &AtomicBool,
) -> Result<(), Wrong> {
    let (mut expected, mut payload) = (vec![], vec![]);
    for number in 0..messages {
        let wrong = |what: String| Wrong { message: number, what };
        let mut looks = 0_u32;
        let record = loop {
            looks = looks.wrapping_add(1);
            match consumer.peek() {
                Ok(Some(record)) => break record,
                // Now and then, for meanwhile a record is seen later.
                Ok(None) if looks % 4 == number % 4 && consumer.is_behind_hint() => {
                    return Err(wrong("the hint was seen before the record".to_owned()));
                }
                Ok(None) if over.load(Relaxed) => return Err(wrong("the head was wrong".to_owned())),
                Ok(None) => thread::yield_now(),
                Err(fault) => return Err(wrong(fault.to_string())),
            }
        };
        message(number, &mut expected);
        payload.resize(record.length(), 0);
        consumer.copy_out(&record, 0, &mut payload);
        consumer.commit();
        if payload != expected {
            let at = payload.iter().zip(&expected).position(|(got, sent)| got != sent);
            return Err(wrong(format!("byte {at:?} of {} is another", expected.len())));
        }
    }
    Ok(())
}

#[test]
fn with_every_fence_nothing_is_ever_wrong() {
    exchange(StreamedMemory::new(size(CAPACITY)), MESSAGES).unwrap();
}

/// Sends without the fences at these points, until something is wrong, and says what.
fn is_missed(points: &'static [FencePoint], messages: u32) -> bool {
    let outcome = exchange(StreamedMemory::new(size(CAPACITY)).without(points), messages);
    match &outcome {
        Err(Wrong { message, what }) => println!("without {points:?}: wrong at message {message}: {what}"),
        Ok(()) => println!("without {points:?}: NOT PROVOKED in {messages} messages"),
    }
    outcome.is_err()
}

/// The negative control: with no SFENCE at all, stores are seen out of order, on any processor that gathers them.
#[test]
fn without_any_fence_between_stores_something_is_wrong_before_long() {
    if !is_missed(&[FencePoint::BeforePublish, FencePoint::AfterPublish], UNFENCED_MESSAGES) {
        println!(
            "this processor, or what emulates it, lets no store overtake another: the test above shows nothing here"
        );
    }
}

/// Each by itself is hard to provoke or, where it is between loads or behind them, impossible: loads of ordinary memory are in
/// order, and no store overtakes a load. The models under loom miss each.
#[test]
fn what_comes_of_leaving_out_one_fence_is_told() {
    for point in &FencePoint::ALL {
        is_missed(std::slice::from_ref(point), PARTLY_FENCED_MESSAGES);
    }
}
