//! Two threads at full speed, every message checked.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::thread;

use ivring_proto::{
    memory::{HeapMemory, Memory, MemoryType, MixedMapping, WriteCombining},
    ring::{Class, Consumer, Producer, PushError},
};

mod bare_ring;
use bare_ring::{place, size};

const MESSAGES: u32 = 100_000;
const SALT: u64 = 0x00c0_ffee;

/// Message `number`: its length and every byte follow from the number.
fn message(number: u32, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&number.to_le_bytes());
    let length = number.wrapping_mul(2_654_435_761) >> 24;
    into.extend((0..length).map(|i| number.wrapping_add(i).to_le_bytes()[0]));
}

fn exchange<M: Memory + Clone + Send>(memory: M, capacity: u64, batch: u32) {
    let mut producer = Producer::start(memory.clone(), place(capacity), SALT, 0);
    let mut consumer = Consumer::start(memory, place(capacity), SALT, 0, 0);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut payload = vec![];
            for number in 0..MESSAGES {
                message(number, &mut payload);
                while let Err(error) = producer.push(9, Class::Control, &[&payload]) {
                    assert!(matches!(error, PushError::Full { .. }), "{error}");
                    thread::yield_now();
                }
                if number % batch == 0 {
                    producer.flush();
                }
            }
            producer.flush();
        });
        let (mut expected, mut payload) = (vec![], vec![]);
        let mut number = 0;
        while number < MESSAGES {
            let Some(record) = consumer.peek().unwrap() else {
                thread::yield_now();
                continue;
            };
            payload.resize(record.length(), 0);
            consumer.copy_out(&record, 0, &mut payload);
            consumer.commit();
            message(number, &mut expected);
            assert_eq!(payload, expected, "message {number}");
            assert!(!record.redelivered());
            number += 1;
        }
        assert_eq!(consumer.peek(), Ok(None));
    });
}

#[test]
fn one_by_one_through_a_small_ring() {
    exchange(HeapMemory::new(size(1000)), 1000, 1);
}

#[test]
fn in_batches() {
    exchange(HeapMemory::new(size(65536)), 65536, 32);
}

#[test]
fn with_the_fences_of_write_combining_memory() {
    exchange(HeapMemory::new(size(4096)).with_fences::<WriteCombining>(), 4096, 7);
}

/// Payloads are stored past the caches here and headers are not: without the fences these would overtake.
#[test]
fn in_mappings_that_are_not_taken_for_write_back() {
    for memory_type in [MemoryType::Uncached, MemoryType::WriteCombining] {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size(4096) as u64).unwrap();
        exchange(MixedMapping::whole(&file, size(4096) as u64, memory_type).unwrap(), 4096, 7);
    }
}
