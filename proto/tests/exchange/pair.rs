//! Two programs on one pair of rings.

use ivring_proto::layout::{RingPlace, Version};
use ivring_proto::link::{
    Arrival, Budget, Exchange, Incarnation, Kind, Link, Outcome, SendError, Status, Topic,
};
use ivring_proto::memory::HeapMemory;
use ivring_proto::ring::{Consumer, Producer};
use std::time::Duration;

/// Longest message in these tests, in bytes.
pub const MAX: usize = 4 << 20;
/// Memory for what is being put together.
pub const BUDGET: usize = 8 << 20;

/// One program.
pub struct Side {
    pub link: Link<HeapMemory>,
    pub exchange: Exchange,
    pub budget: Budget,
    pub buffer: Vec<u8>,
    pub now: Duration,
    /// What arrived.
    pub arrived: Vec<Arrival<'static>>,
    pub outcomes: Vec<Outcome>,
    /// The rings, the one it produces into first, and this program's life.
    rings: [RingPlace; 2],
    life: u64,
    memory: HeapMemory,
}

/// Two programs with rings of `capacity` bytes each.
pub fn pair(capacity: u64) -> [Side; 2] {
    let memory = HeapMemory::new(usize::try_from(1024 + 2 * capacity).unwrap());
    let ring = |index: u64| RingPlace {
        producer: 512 * index,
        consumer: 512 * index + 128,
        data: 1024 + capacity * index,
        capacity,
    };
    [[0, 1], [1, 0]].map(|[own, other]| Side::start(&memory, [ring(own), ring(other)], 100 * (own + 1)))
}

/// Bytes that only the right ones are equal to.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut random = crate::random::Random(seed);
    let words = std::iter::repeat_with(|| random.word().to_le_bytes()).flatten();
    words.take(length).collect()
}

pub fn topic(name: &str) -> Topic<'_> {
    Topic::new(name).unwrap()
}

impl Side {
    fn start(memory: &HeapMemory, rings: [RingPlace; 2], life: u64) -> Self {
        let tx = Producer::start(memory.clone(), rings[0], 7, 0);
        let rx = Consumer::start(memory.clone(), rings[1], 7, 0, 0);
        Self::with(memory.clone(), rings, Link::new(tx, rx), life)
    }

    fn with(memory: HeapMemory, rings: [RingPlace; 2], link: Link<HeapMemory>, life: u64) -> Self {
        let budget = Budget::new(BUDGET);
        let mut exchange = Exchange::new(MAX, budget.clone());
        exchange.begin(Incarnation::of(life), Version::CURRENT);
        let buffer = vec![0; usize::try_from(rings[1].capacity / 2).unwrap()];
        let (arrived, outcomes, now) = (Vec::new(), Vec::new(), Duration::ZERO);
        Side { link, exchange, budget, buffer, now, arrived, outcomes, rings, life, memory }
    }

    /// The program is killed, and another takes over its ends of the rings.
    pub fn replace(&mut self) {
        let link = Link::recover(&self.memory, (self.rings[0], 7), (self.rings[1], 7)).unwrap();
        *self = Self::with(self.memory.clone(), self.rings, link, self.life + 1);
    }

    /// The life of this program, as the other side is told.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation::of(self.life)
    }

    pub fn send(&mut self, name: &str, payload: &[u8]) -> Result<u64, SendError> {
        let id = self.exchange.send(&mut self.link, topic(name), payload)?;
        self.link.flush();
        Ok(id)
    }

    pub fn request(&mut self, name: &str, payload: &[u8], patience: Duration) -> Result<u64, SendError> {
        let id = self.exchange.request(&mut self.link, self.now, topic(name), payload, patience)?;
        self.link.flush();
        Ok(id)
    }

    pub fn respond(&mut self, id: u64, payload: &[u8]) -> Result<(), SendError> {
        self.exchange.respond(&mut self.link, id, Status::Ok, payload)?;
        self.link.flush();
        Ok(())
    }

    /// Takes one record; says whether there was one.
    pub fn take_one(&mut self) -> bool {
        self.exchange.ack();
        let Some(received) = self.link.receive(&mut self.buffer).unwrap() else {
            self.exchange.is_drained();
            return false;
        };
        if let Some(arrival) = self.exchange.take(received, self.link.piece(), || self.now) {
            self.arrived.push(arrival.into_owned());
        }
        true
    }

    /// A round of its loop: sends what it can, takes what there is.
    pub fn turn(&mut self) -> bool {
        let mut moved = false;
        for _ in 0..64 {
            moved |= self.take_one();
        }
        moved |= self.exchange.pump(&mut self.link).unwrap();
        self.exchange.expire(self.now);
        self.outcomes.extend(std::iter::from_fn(|| self.exchange.outcome()));
        moved
    }

    /// The payloads of messages that arrived on a topic.
    pub fn messages(&self, on: &str) -> Vec<&[u8]> {
        self.arrived
            .iter()
            .filter_map(|arrival| match arrival {
                Arrival::Message { topic, payload, .. } if topic == on => Some(&payload[..]),
                _ => None,
            })
            .collect()
    }

    /// Numbers of messages that were interrupted.
    pub fn interrupted(&self) -> Vec<u64> {
        self.outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Outcome::Interrupted { id, kind: Kind::Message } => Some(*id),
                _ => None,
            })
            .collect()
    }
}

/// Both have turns until nothing moves any more.
pub fn settle([one, other]: &mut [Side; 2]) {
    while one.turn() | other.turn() {}
}
