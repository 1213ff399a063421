//! Producer and consumer are killed before any single store, and a successor takes over. Nothing that was published may be
//! lost, reordered or torn, and what is delivered twice must say so.
//!
//! `IVRING_CRASH_SEEDS` sets how many random histories are tried.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use ivring_proto::{
    memory::{CrashMemory, Killed},
    ring::{Class, Consumer, Producer, PushError},
};

mod bare_ring;
mod random;
use bare_ring::{place, size};
use random::Random;

/// What was appended: a record's place and what is in it.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    position: u64,
    end: u64,
    kind: u8,
    payload: Vec<u8>,
}

#[derive(Debug, Default)]
struct Counts {
    delivered: u64,
    again: u64,
    producers_killed: u64,
    consumers_killed: u64,
    full: u64,
    sessions: u64,
}

/// One ring, the two processes on it, and what each knows.
struct History<'a> {
    random: Random,
    counts: &'a mut Counts,
    capacity: u64,
    salt: u64,
    memory: CrashMemory,
    producer: Producer<CrashMemory>,
    producer_process: CrashMemory,
    consumer: Consumer<CrashMemory>,
    consumer_process: CrashMemory,
    /// Every record of this session that is or may be published.
    sent: Vec<Sent>,
    /// Published for certain up to here: a flush has returned.
    flushed: u64,
    /// Index of the next record the consumer must get.
    next: usize,
    /// How many of `sent` some consumer has got.
    handed_over: usize,
    /// Marked as delivered again without having been: at most one for each death of a consumer.
    marked_in_vain: u64,
    session_deaths: u64,
}

impl<'a> History<'a> {
    fn new(seed: u64, counts: &'a mut Counts) -> Self {
        let mut random = Random(seed);
        let capacity = random.pick(&[32, 40, 48, 56, 64, 104, 128, 160, 512, 1000]);
        // Positions may wrap around where the capacity is a power of two.
        let wraps = u64::is_power_of_two(capacity) && random.once_in(4);
        let position = if wraps { u64::MAX - 255 } else { random.below(1000) * 8 };
        let salt = random.word();
        let memory = CrashMemory::new(size(capacity));
        let (producer_process, consumer_process) = (memory.process(), memory.process());
        Self {
            producer: Producer::start(producer_process.clone(), place(capacity), salt, position),
            consumer: Consumer::start(consumer_process.clone(), place(capacity), salt, position, position),
            random,
            counts,
            capacity,
            salt,
            memory,
            producer_process,
            consumer_process,
            sent: vec![],
            flushed: position,
            next: 0,
            handed_over: 0,
            marked_in_vain: 0,
            session_deaths: 0,
        }
    }

    /// A payload that looks like headers of this session, so that a stale word is as believable as can be.
    fn payload(&mut self, length: usize, position: u64) -> Vec<u8> {
        let mut bytes = vec![];
        while bytes.len() < length {
            let near = position.wrapping_add(self.random.below(2 * self.capacity) / 8 * 8);
            let tag = ((near / 8) ^ self.salt) & 0xff_ffff;
            let header = (8 + self.random.below(24)) | self.random.below(4) << 32 | tag << 40;
            bytes.extend_from_slice(&if self.random.once_in(4) { 0 } else { header }.to_le_bytes());
        }
        bytes.truncate(length);
        // Tells neighbours apart where there is room for it.
        if let Some(last) = bytes.last_mut() {
            *last = self.sent.len().to_le_bytes()[0];
        }
        bytes
    }

    fn produce(&mut self) {
        if self.random.once_in(3) {
            self.producer_process.kill_after(self.random.below(30));
        }
        let mut died = false;
        for _ in 0..=self.random.below(4) {
            let class = self.random.pick(&[Class::Control, Class::Control, Class::Message, Class::Bulk]);
            let max =
                if class == Class::Bulk { self.producer.max_fragment() } else { self.producer.max_payload() };
            let length = usize::try_from(self.random.below(max as u64 + 1)).unwrap();
            let payload = self.payload(length, self.producer.position());
            let kind = u8::try_from(2 + self.random.below(254)).unwrap();
            // By one call, or in place and in two pieces, of which the second comes first.
            let in_place = self.random.once_in(2);
            let append = |producer: &mut Producer<CrashMemory>| {
                if !in_place {
                    return producer.push(kind, class, &[&payload]);
                }
                let mut claim = producer.claim(kind, class, length)?;
                claim.write(length / 2, &payload[length / 2..]);
                claim.write(0, &payload[..length / 2]);
                Ok(claim.commit())
            };
            match CrashMemory::run(|| append(&mut self.producer)) {
                Ok(Ok(position)) => {
                    self.sent.push(Sent { position, end: self.producer.position(), kind, payload });
                }
                Ok(Err(PushError::Full { .. })) => {
                    self.counts.full += 1;
                    self.flushed = self.producer.position();
                }
                Ok(Err(error)) => panic!("{error}"),
                Err(Killed) => died = true,
            }
            if !died && self.random.once_in(2) {
                let prepares = self.random.once_in(2);
                died = CrashMemory::run(|| {
                    self.producer.flush();
                    if prepares {
                        self.producer.prepare();
                    }
                })
                .is_err();
                if !died {
                    self.flushed = self.producer.position();
                }
            }
            if died {
                break;
            }
        }
        self.producer_process.spare();
        self.counts.producers_killed += u64::from(died);
        if died || self.random.once_in(20) {
            self.replace_producer();
        }
    }

    /// A successor recovers, and may be killed at it too.
    fn replace_producer(&mut self) {
        let (place, salt) = (place(self.capacity), self.salt);
        if self.random.once_in(3) {
            let process = self.memory.process();
            process.kill_after(0);
            let killed = CrashMemory::run(|| Producer::recover(process, place, salt));
            assert_eq!(killed.unwrap_err(), Killed);
        }
        self.producer_process = self.memory.process();
        self.producer =
            Producer::recover(self.producer_process.clone(), place, salt).expect("nobody is hostile here");
        let position = self.producer.position();
        let lost_flushed = position.wrapping_sub(self.flushed) > u64::MAX / 2;
        assert!(!lost_flushed, "recovered at {position}, but {} was flushed", self.flushed);
        while self
            .sent
            .last()
            .is_some_and(|last| last.end.wrapping_sub(position).wrapping_sub(1) < self.capacity)
        {
            self.sent.pop();
        }
        let end = self.sent.last().map_or(self.flushed, |last| last.end);
        assert!(
            end == position || position == self.flushed,
            "recovered at {position}, in the middle of a record"
        );
        assert!(self.handed_over <= self.sent.len(), "recovered at {position}, before what was delivered");
        self.flushed = position;
    }

    fn consume(&mut self) {
        if self.random.once_in(3) {
            self.consumer_process.kill_after(self.random.below(6));
        }
        if self.random.once_in(4) {
            self.consumer.set_release_window(self.random.below(self.capacity));
        }
        let mut died = false;
        for _ in 0..self.random.below(6) {
            died = match CrashMemory::run(|| self.consumer.peek().expect("nobody is hostile here")) {
                Ok(Some(record)) => {
                    let mut payload = vec![0; record.length()];
                    self.consumer.copy_out(&record, 0, &mut payload);
                    let end = self.sent.get(self.next).map_or(0, |sent| sent.end);
                    let got = Sent { position: record.position(), end, kind: record.kind(), payload };
                    assert_eq!(Some(&got), self.sent.get(self.next), "record {}", self.next);
                    self.counts.delivered += 1;
                    if self.next < self.handed_over {
                        assert!(record.redelivered(), "record {} came again without saying so", self.next);
                        self.counts.again += 1;
                    } else {
                        self.handed_over += 1;
                        self.marked_in_vain += u64::from(record.redelivered());
                    }
                    self.next += 1;
                    let release = self.random.once_in(4);
                    CrashMemory::run(|| {
                        self.consumer.commit();
                        if release {
                            self.consumer.release();
                        }
                    })
                    .is_err()
                }
                Ok(None) => {
                    assert!(!self.consumer.is_behind_hint(), "the hint is ahead of the records");
                    break;
                }
                Err(Killed) => true,
            };
            if died {
                break;
            }
        }
        self.consumer_process.spare();
        self.counts.consumers_killed += u64::from(died);
        if died || self.random.once_in(20) {
            self.session_deaths += 1;
            self.consumer_process = self.memory.process();
            self.consumer =
                Consumer::resume(self.consumer_process.clone(), place(self.capacity), self.salt).unwrap();
            let head = self.consumer.position();
            // Everything whose end is not behind the head comes again.
            while self.next > 0
                && self.sent[self.next - 1].end.wrapping_sub(head).wrapping_sub(1) < self.capacity
            {
                self.next -= 1;
            }
        }
        assert!(self.marked_in_vain <= self.session_deaths, "marked without reason");
    }

    /// Delivers everything, and makes sure that an empty ring takes the largest record of each class.
    fn drain(&mut self) {
        self.producer.flush();
        self.flushed = self.producer.position();
        while self.next < self.sent.len() {
            let before = self.next;
            self.consume();
            let empty = matches!(self.consumer.peek(), Ok(None));
            assert!(self.next > before || !empty || self.next == self.sent.len(), "record {before} is lost");
        }
        assert_eq!(self.consumer.peek(), Ok(None), "more arrives than was sent");
        for (class, length) in [
            (Class::Bulk, self.producer.max_fragment()),
            (Class::Message, self.producer.max_payload()),
            (Class::Control, self.producer.max_payload()),
        ] {
            self.producer
                .push(5, class, &[&vec![0xff; length]])
                .expect("an empty ring takes the largest record");
            self.producer.flush();
            let record = self.consumer.peek().unwrap().unwrap();
            assert_eq!((record.kind(), record.length()), (5, length));
            self.consumer.commit();
            assert_eq!(self.consumer.peek(), Ok(None));
        }
    }

    /// Both ends begin anew at the same position, with another salt, over the old bytes.
    fn next_session(&mut self) {
        self.drain();
        self.counts.sessions += 1;
        let position = self.producer.position();
        self.salt = self.random.word();
        let place = place(self.capacity);
        self.producer = Producer::start(self.producer_process.clone(), place, self.salt, position);
        self.consumer = Consumer::start(self.consumer_process.clone(), place, self.salt, position, position);
        self.sent.clear();
        (self.next, self.handed_over, self.flushed) = (0, 0, position);
        (self.marked_in_vain, self.session_deaths) = (0, 0);
    }

    fn run(&mut self, steps: u64) {
        for _ in 0..steps {
            match self.random.below(100) {
                0 => self.next_session(),
                step if step % 2 == 0 => self.produce(),
                _ => self.consume(),
            }
        }
        self.drain();
    }
}

#[test]
fn any_single_store_may_be_the_last() {
    let seeds = std::env::var("IVRING_CRASH_SEEDS").map_or(10_000, |seeds| seeds.parse().unwrap());
    let mut counts = Counts::default();
    for seed in 0..seeds {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            History::new(seed, &mut counts).run(300)
        }));
        if let Err(panic) = outcome {
            eprintln!("history {seed} of the crash simulation failed");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{seeds} histories: {counts:?}");
    // The simulation must have gone where it is meant to go.
    assert!(counts.again > seeds && counts.producers_killed > seeds && counts.consumers_killed > seeds);
    assert!(counts.full > seeds && counts.sessions > seeds);
}

/// Three records in one batch, at every offset of a small ring and killed before each store: all of them or none.
#[test]
fn a_batch_is_published_as_a_whole() {
    const CAPACITY: u64 = 128;
    for start in (0..CAPACITY).step_by(8) {
        for fuel in 0.. {
            let memory = CrashMemory::new(size(CAPACITY));
            let process = memory.process();
            let mut producer = Producer::start(process.clone(), place(CAPACITY), 7, start);
            let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), 7, start, start);
            process.kill_after(fuel);
            let outcome = CrashMemory::run(|| {
                for length in [8, 0, 16] {
                    producer.push(2, Class::Control, &[&[9; 16][..length]]).unwrap();
                }
                producer.flush();
            });
            let end = producer.position();
            let recovered = Producer::recover(memory, place(CAPACITY), 7).unwrap().position();
            let mut delivered = 0;
            while consumer.peek().unwrap().is_some() {
                consumer.commit();
                delivered += 1;
            }
            assert_eq!(recovered, consumer.position(), "both find the same end");
            assert!(
                (recovered, delivered) == (start, 0) || (recovered, delivered) == (end, 3),
                "from {start}, killed after {fuel} stores: {delivered} of 3 delivered, recovered at {recovered}"
            );
            if outcome.is_ok() {
                assert_eq!(delivered, 3);
                break;
            }
        }
    }
}
