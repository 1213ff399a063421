//! Messages from one thread to another over a ring on the heap, each of them checked.

use std::{
    thread,
    time::{Duration, Instant},
};

use crossbeam_utils::Backoff;
use ivring_proto::{
    layout::RingPlace,
    memory::HeapMemory,
    ring::{Class, Consumer, Producer, PushError},
};

use crate::messages::{Arrived, Pool};

/// Size of the ring, in bytes: what a channel has by default.
pub const CAPACITY: u64 = 256 * 1024;

/// Bytes that gather before their space is given back, where nobody chooses otherwise.
pub const WINDOW: u64 = CAPACITY / 8;

const PLACE: RingPlace = RingPlace { producer: 0, consumer: 128, data: 256, capacity: CAPACITY };
const SIZE: usize = 256 + 256 * 1024;

/// Sends `messages` of `length` bytes in batches of `batch` to another thread, which copies out and checks every one.
/// `window` is how many bytes gather before their space is given back, see [`Consumer::set_release_window`].
/// Returns the time from the first message sent to the last one checked. Both sides spin, then yield: with fewer free cores
/// than threads, spinning alone would measure the scheduler.
///
/// # Panics
///
/// When a message is lost or changed, or when `length` is no multiple of 8, or 0.
#[must_use]
pub fn one_way(messages: u64, length: usize, batch: u64, window: u64) -> Duration {
    let memory = HeapMemory::new(SIZE);
    let mut producer = Producer::start(memory.clone(), PLACE, 1, 0);
    let mut consumer = Consumer::start(memory, PLACE, 1, 0, 0);
    consumer.set_release_window(window);
    let pool = Pool::new(length);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            // Moved there, so that the two sides share no line but the ring's.
            let mut consumer = consumer;
            let mut buffer = vec![0; length];
            let mut inbox = pool.inbox();
            for number in 0..messages {
                let waiting = Backoff::new();
                let record = loop {
                    match consumer.peek().expect("the sender is correct") {
                        Some(record) => break record,
                        None => waiting.snooze(),
                    }
                };
                assert_eq!(record.length(), length, "message {number}");
                consumer.copy_out(&record, 0, &mut buffer);
                consumer.commit();
                let arrived = inbox.check(&buffer);
                assert!(matches!(arrived, Ok(Arrived::Message)), "{arrived:?}");
            }
            Instant::now()
        });
        let mut outbox = pool.outbox();
        let start = Instant::now();
        for number in 0..messages {
            let payload = outbox.next_message();
            let waiting = Backoff::new();
            while let Err(error) = producer.push(2, Class::Message, &[payload]) {
                assert!(
                    matches!(error, PushError::Full { .. }) && !receiver.is_finished(),
                    "message {number}: {error}"
                );
                waiting.snooze();
            }
            if (number + 1) % batch == 0 {
                producer.flush();
            }
        }
        producer.flush();
        receiver.join().expect("every message arrives unchanged") - start
    })
}
