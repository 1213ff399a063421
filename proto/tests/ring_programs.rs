//! Random programs against a queue: the ring gives what was put in, and says "full" exactly when it is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::collections::VecDeque;

use ivring_proto::{
    layout::control_word,
    memory::{HeapMemory, Memory},
    ring::{Class, Consumer, Producer, PushError, Record},
};
use proptest::prelude::*;

mod bare_ring;
use bare_ring::{place, size};

#[derive(Clone, Debug)]
enum Step {
    /// Class and kind, and how large on a scale to 1000 of what its class may have.
    Push(Class, u8, u16),
    /// The same, written in place: in pieces of this many bytes, from the last one to the first.
    Claim(Class, u8, u16, usize),
    /// The same, given up after one piece.
    GiveUp(Class, u16),
    Flush,
    Take,
    /// The same, in pieces of this many bytes.
    TakePieces(usize),
    Release,
    Window(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let class = prop_oneof![Just(Class::Control), Just(Class::Message), Just(Class::Bulk)];
    let step = prop_oneof![
        3 => (class.clone(), 2..=255_u8, 0..=1000_u16, 1..90_usize)
            .prop_map(|(class, kind, scale, piece)| Step::Claim(class, kind, scale, piece)),
        1 => (class.clone(), 0..=1000_u16).prop_map(|(class, scale)| Step::GiveUp(class, scale)),
        3 => (1..90_usize).prop_map(Step::TakePieces),
        6 => (class, 2..=255_u8, 0..=1000_u16).prop_map(|(class, kind, scale)| Step::Push(class, kind, scale)),
        2 => Just(Step::Flush),
        6 => Just(Step::Take),
        1 => Just(Step::Release),
        1 => (0..600_u64).prop_map(Step::Window),
    ];
    prop::collection::vec(step, 1..300)
}

/// What is known from outside: sizes only, computed in another way than the ring's.
struct Oracle {
    capacity: u64,
    memory: HeapMemory,
    /// Records appended and not taken: kind and payload. The first of them are flushed.
    queue: VecDeque<(u8, Vec<u8>)>,
    flushed: usize,
    /// End and size, with its padding, of each bulk record that may be unreleased.
    bulk: VecDeque<(u64, u64)>,
}

impl Oracle {
    fn head(&self) -> u64 {
        self.memory.load(place(self.capacity).consumer + control_word::HEAD)
    }

    /// Bytes that a record takes at a position: its padding and itself.
    fn takes(&self, position: u64, length: usize) -> u64 {
        let record = 8 + (length as u64).next_multiple_of(8);
        let left = self.capacity - position % self.capacity;
        if record > left { left + record } else { record }
    }

    fn bulk_held(&mut self) -> u64 {
        let head = self.head();
        while self.bulk.front().is_some_and(|(end, _)| *end <= head) {
            self.bulk.pop_front();
        }
        self.bulk.iter().map(|(_, bytes)| bytes).sum()
    }

    fn check_push(&mut self, class: Class, position: u64, length: usize, outcome: Result<u64, PushError>) {
        let takes = self.takes(position, length);
        let used = position - self.head();
        let left = (self.capacity - used).checked_sub(takes + 8);
        let eighth = self.capacity / 8 / 8 * 8;
        // A record and a padding almost as long must still fit into an empty ring.
        let always_fits = 2 * (8 + length as u64).next_multiple_of(8) + eighth <= self.capacity;
        let message_leaves = if always_fits { eighth } else { 0 };
        let held = self.bulk_held();
        let empty = used == 0;
        match (class, outcome) {
            (Class::Control, Ok(_)) => assert!(left.is_some(), "overfull"),
            (Class::Control, Err(_)) => assert!(left.is_none(), "refused with {left:?} bytes to spare"),
            (Class::Message, Ok(_)) => assert!(left >= Some(message_leaves), "{left:?} left for control"),
            (Class::Message, Err(_)) => {
                assert!(left < Some(message_leaves), "refused with {left:?} bytes to spare")
            }
            (Class::Bulk, Ok(_)) => {
                assert!(left >= Some(eighth), "{left:?} left for control");
                assert!(held + takes <= self.capacity / 4, "{held} bytes of bulk and {takes} more");
                self.bulk.push_back((position + takes, takes));
            }
            (Class::Bulk, Err(_)) => assert!(!empty, "refused by an empty ring"),
        }
        if let Err(PushError::Full { needed, free }) = outcome {
            assert!(needed == takes && free < needed);
        }
    }
}

fn payload_of(producer: &Producer<HeapMemory>, number: usize, class: Class, scale: u16) -> Vec<u8> {
    let max = if class == Class::Bulk { producer.max_fragment() } else { producer.max_payload() };
    (0..max * usize::from(scale) / 1000).map(|i| (number * 31 + i).to_le_bytes()[0]).collect()
}

/// Writes a record in place, from its last piece to its first.
fn claim(
    producer: &mut Producer<HeapMemory>,
    kind: u8,
    class: Class,
    payload: &[u8],
    piece: usize,
) -> Result<u64, PushError> {
    let mut claim = producer.claim(kind, class, payload.len())?;
    assert_eq!(claim.length(), payload.len());
    for (number, bytes) in payload.chunks(piece).enumerate().rev() {
        claim.write(number * piece, bytes);
    }
    Ok(claim.commit())
}

/// A payload in pieces, which must agree with its words.
fn take_pieces(consumer: &Consumer<HeapMemory>, record: &Record, piece: usize) -> Vec<u8> {
    let view = consumer.view(record);
    let (mut got, mut buffer) = (vec![], vec![0; piece]);
    let mut chunks = view.chunks(&mut buffer);
    while let Some(chunk) = chunks.next_chunk() {
        got.extend_from_slice(chunk);
    }
    for (number, word) in got.as_chunks::<8>().0.iter().enumerate() {
        assert_eq!(view.word(number * 8), u64::from_le_bytes(*word));
    }
    assert_eq!(view.length(), got.len());
    got
}

fn run(capacity: u64, start: u64, steps: &[Step]) {
    let memory = HeapMemory::new(size(capacity));
    let mut producer = Producer::start(memory.clone(), place(capacity), 42, start);
    let mut consumer = Consumer::start(memory.clone(), place(capacity), 42, start, start);
    let mut oracle = Oracle { capacity, memory, queue: VecDeque::new(), flushed: 0, bulk: VecDeque::new() };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Push(class, kind, scale) | Step::Claim(class, kind, scale, _) => {
                let payload = payload_of(&producer, number, class, scale);
                let position = producer.position();
                let outcome = match *step {
                    Step::Claim(_, _, _, piece) => claim(&mut producer, kind, class, &payload, piece),
                    _ => producer.push(kind, class, &[&payload]),
                };
                oracle.check_push(class, position, payload.len(), outcome);
                match outcome {
                    Ok(_) => oracle.queue.push_back((kind, payload)),
                    Err(error) => {
                        assert!(matches!(error, PushError::Full { .. }), "{error}");
                        oracle.flushed = oracle.queue.len();
                    }
                }
            }
            Step::GiveUp(class, scale) => {
                let payload = payload_of(&producer, number, class, scale);
                let position = producer.position();
                match producer.claim(2, class, payload.len()) {
                    Ok(mut claim) => claim.write(payload.len() / 2, &payload[payload.len() / 2..]),
                    // As after a record that was refused.
                    Err(_) => oracle.flushed = oracle.queue.len(),
                }
                assert_eq!(producer.position(), position, "a claim given up takes no room");
            }
            Step::Flush => {
                producer.flush();
                oracle.flushed = oracle.queue.len();
            }
            Step::Take | Step::TakePieces(_) => {
                let Some(record) = consumer.peek().unwrap() else {
                    assert_eq!(oracle.flushed, 0, "flushed records do not arrive");
                    assert_eq!(oracle.head(), consumer.position(), "empty, but not released");
                    continue;
                };
                let (kind, payload) = oracle.queue.pop_front().expect("more arrives than was sent");
                let got = match *step {
                    Step::TakePieces(piece) => take_pieces(&consumer, &record, piece),
                    _ => {
                        let mut got = vec![0; record.length()];
                        consumer.copy_out(&record, 0, &mut got);
                        got
                    }
                };
                assert_eq!((record.kind(), got, record.redelivered()), (kind, payload, false));
                consumer.commit();
                oracle.flushed = oracle.flushed.saturating_sub(1);
            }
            Step::Release => {
                consumer.release();
                assert_eq!(oracle.head(), consumer.position());
            }
            Step::Window(bytes) => consumer.set_release_window(bytes),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_is_a_queue(words in 4..130_u64, start in 0..1_000_000_u64, steps in steps()) {
        run(words * 8, start * 8, &steps);
    }
}
