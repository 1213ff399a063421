//! Ring and session where stores wait in the processor until a fence lets them out, or leave before it in any order.
//!
//! Two promises: what is seen is never ahead of what it promises, and what the other side waits for leaves by itself, with
//! no later store to push it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::{cell::RefCell, rc::Rc, time::Duration};

use ivring_proto::{
    layout::{Geometry, Superblock},
    link::{FrontDesk, GuestEnd, GuestOptions, HostEnd, Kind, Topic, format_region},
    memory::CombiningMemory,
    ring::{Class, Consumer, Producer, PushError},
    session::{HostPulse, Identity, Phase, Port, Text, Uuid},
};

mod bare_ring;
mod random;
use bare_ring::{place, size};
use random::Random;

const SALT: u64 = 0x0c0f_fee0;
const HISTORIES: u64 = 3000;

/// What message `number` holds.
fn payload(number: u64, random: &mut Random) -> Vec<u8> {
    let length = usize::try_from(random.below(20)).unwrap();
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

/// The receiving processor.
struct Receiver {
    consumer: Consumer<CombiningMemory>,
    received: Vec<Vec<u8>>,
}

impl Receiver {
    /// Takes what there is.
    fn take(&mut self) {
        let behind_hint = self.consumer.is_behind_hint();
        let before = self.received.len();
        while let Some(record) = self.consumer.peek().unwrap() {
            let mut bytes = vec![0; record.length()];
            self.consumer.copy_out(&record, 0, &mut bytes);
            self.consumer.commit();
            self.received.push(bytes);
        }
        assert!(!behind_hint || self.received.len() > before, "the hint has left before the record");
    }
}

/// One ring between two processors. The receiver looks whenever a store has left the sender, or now and then only.
fn history(seed: u64, chance: bool, onlooker: bool) {
    let mut random = Random(seed);
    let capacity = random.pick(&[64, 104, 128, 160]);
    let memory = CombiningMemory::new(size(capacity));
    let mut processor = || memory.processor(chance.then(|| random.word()));
    let (writer, reader) = (processor(), processor());
    let mut producer = Producer::start(writer.clone(), place(capacity), SALT, 0);
    let mut consumer = Consumer::start(reader, place(capacity), SALT, 0, 0);
    consumer.set_release_window(random.below(2) * capacity / 4);
    let receiver = Rc::new(RefCell::new(Receiver { consumer, received: vec![] }));
    if onlooker {
        let receiver = Rc::clone(&receiver);
        writer.show_every_store(move || receiver.borrow_mut().take());
    }
    let (mut sent, mut flushed) = (vec![], 0);
    for _ in 0..60 {
        for _ in 0..=random.below(3) {
            let message = payload(sent.len() as u64, &mut random);
            match producer.push(2, Class::Control, &[&message]) {
                Ok(_) => sent.push(message),
                // It publishes what was open.
                Err(PushError::Full { .. }) => flushed = sent.len(),
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        if random.once_in(2) {
            producer.flush();
            flushed = sent.len();
        }
        if random.once_in(2) {
            receiver.borrow_mut().take();
            let received = receiver.borrow().received.len();
            assert_eq!(receiver.borrow().received[..], sent[..received], "seed {seed}");
            assert!(received >= flushed, "seed {seed}: {received} of {flushed} have left the producer");
            if received == sent.len() {
                assert_eq!(producer.used(), Ok(0), "seed {seed}: the head has not left the consumer");
            }
        }
    }
}

#[test]
fn a_ring_is_never_seen_out_of_order() {
    (0..HISTORIES).for_each(|seed| history(seed, true, seed % 2 == 0));
}

#[test]
fn what_a_ring_publishes_and_releases_leaves_by_itself() {
    (0..HISTORIES).for_each(|seed| history(seed, false, seed % 2 == 0));
}

const STALE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(1);

/// A host and a guest, each on a processor of its own.
struct Pair {
    memory: CombiningMemory,
    geometry: Geometry,
    end: HostEnd<CombiningMemory>,
    desk: FrontDesk,
    pulse: HostPulse,
    guest: GuestEnd<CombiningMemory>,
    random: Random,
    now: Duration,
    to_host: Vec<String>,
    to_guest: Vec<String>,
}

impl Pair {
    fn new(seed: u64, chance: bool) -> Self {
        let geometry = Geometry::new(1 << 20, 1).unwrap();
        let mut random = Random(seed);
        let all = CombiningMemory::new(1 << 20);
        let mut processor = || all.processor(chance.then(|| random.word()));
        let (memory, guests) = (processor(), processor());
        format_region(&memory, &Superblock::new(geometry, [0; 16], "test"));
        let now = Duration::from_secs(100);
        let who = GuestOptions {
            identity: Identity { uuid: Uuid::from_u128(1), port: Port::agent() },
            boot: Uuid::from_u128(2),
            name: Text::truncated("guest"),
            stale_after: STALE,
        };
        Pair {
            end: HostEnd::recover(memory.clone(), &geometry, 0, now, STALE, None).unwrap(),
            desk: FrontDesk::open(&memory, &geometry, None),
            pulse: HostPulse::start(&memory, &geometry, now, &mut || random.word()),
            memory,
            geometry,
            guest: GuestEnd::new(guests, who),
            random,
            now,
            to_host: vec![],
            to_guest: vec![],
        }
    }

    /// Both take turns for so many milliseconds.
    fn run(&mut self, milliseconds: u32) {
        let mut buffer = [0; 4096];
        for _ in 0..milliseconds {
            self.now += STEP;
            let (now, random) = (self.now, &mut self.random);
            assert!(
                self.pulse.beat(&self.memory, now, &mut || random.word()).is_none(),
                "nobody else is the host"
            );
            assert!(
                self.desk
                    .serve(&self.memory, &self.geometry, std::slice::from_mut(&mut self.end), now)
                    .is_none()
            );
            while self.end.poll(now, &mut || random.word()).is_some() {}
            while let Some(received) = self.end.receive(&mut buffer).unwrap() {
                assert_eq!(received.kind, Kind::Message);
                self.to_host.push(String::from_utf8(received.payload.to_vec()).unwrap());
            }
            while self.guest.poll(now, &mut || random.word()).is_some() {}
            while let Some(received) = self.guest.receive(now, &mut buffer).unwrap() {
                assert_eq!(received.kind, Kind::Message);
                self.to_guest.push(String::from_utf8(received.payload.to_vec()).unwrap());
            }
        }
    }
}

/// Joining, talking, a good-bye: each is done before a heartbeat comes that would let out whatever still waits.
fn conversation(seed: u64, chance: bool) {
    let mut pair = Pair::new(seed, chance);
    pair.run(100);
    assert!(pair.guest.is_attached(), "seed {seed}: {:?}", pair.guest.waiting());
    assert_eq!(pair.end.channel().phase(), Phase::Attached, "seed {seed}");
    pair.guest.send(Topic::new("t").unwrap(), b"to the host").unwrap();
    let sent = pair.end.send_with(|link| {
        let id = link.send(Topic::new("t").unwrap(), b"to the guest");
        link.flush();
        id
    });
    sent.unwrap();
    pair.run(2);
    assert_eq!(
        (&pair.to_host[..], &pair.to_guest[..]),
        (&["to the host".to_owned()][..], &["to the guest".to_owned()][..])
    );
    pair.run(3000);
    assert!(pair.guest.is_attached(), "seed {seed}: both hearts beat");
    pair.guest.bye();
    pair.run(20);
    assert_eq!(pair.end.channel().phase(), Phase::Free, "seed {seed}");
}

#[test]
fn a_session_needs_no_store_to_leave_before_its_fence() {
    conversation(1, false);
}

#[test]
fn a_session_stands_stores_that_leave_in_any_order() {
    (0..20).for_each(|seed| conversation(seed, true));
}
