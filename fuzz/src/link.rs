//! Two programs on a pair of rings, with large messages and requests, and one of them may send anything.
//!
//! The input: the rings' size, then what each side does in turn. Until somebody lies, everything that is sent arrives once,
//! in its order, and every large message and request comes to one end. Whatever is sent, a side tells one end at most of
//! what it sent itself, holds no more memory than its budget, and gives all of it back.

mod hostile;
#[cfg(test)]
mod seeds;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ivring_proto::layout::{RingPlace, Version};
use ivring_proto::link::{
    Arrival, Budget, Exchange, Incarnation, Kind, Link, Outcome, SendError, Status, Topic, is_transfer,
};
use ivring_proto::ring::{Consumer, Producer};

use crate::Input;
use crate::memory::Mapping;

const SALT: u64 = 7;
/// Longest message, and memory to put messages together, in bytes.
const MAX: usize = 16 << 10;
const BUDGET: usize = 24 << 10;
/// Calls of one input.
const MOST_CALLS: u32 = 400;
/// Rounds after which honest sides have nothing left to say to each other.
const SETTLED: u32 = 2_000;
const PATIENCE: Duration = Duration::from_secs(1);
const TOPICS: [&str; 3] = ["t", "a topic of some length", "Größe"];

/// How far an input came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Messages that arrived.
    pub messages: u32,
    /// Of them in fragments.
    pub large: u32,
    /// Requests that arrived.
    pub requests: u32,
    /// Answers that arrived.
    pub answers: u32,
    /// Large messages whose arrival was told.
    pub delivered: u32,
    /// What came to another end.
    pub other_ends: u32,
    /// Sides that found the other one wrong.
    pub broken: u32,
    /// Programs that were replaced by another on the same rings.
    pub replaced: u32,
}

/// One program.
struct Side {
    memory: Mapping,
    rings: [RingPlace; 2],
    link: Link<Mapping>,
    exchange: Exchange,
    budget: Budget,
    buffer: Vec<u8>,
    life: u64,
    /// Found the other one wrong, and does nothing any more.
    broken: bool,
    /// What it sent and the other has not received, in order: small messages and requests.
    small: VecDeque<Vec<u8>>,
    /// What it sent that needs fragments.
    large: VecDeque<Vec<u8>>,
    /// What must come to an end, and what of it has.
    open: HashMap<u64, bool>,
    /// Requests that arrived here and are not answered.
    to_answer: VecDeque<u64>,
}

struct World {
    memory: Mapping,
    sides: [Side; 2],
    now: Duration,
    /// Both sides use the calls for programs only, and nobody else writes.
    honest: bool,
    /// No program was replaced, so nothing comes twice or is interrupted.
    steady: bool,
    reached: Reached,
}

/// Runs an input.
///
/// # Panics
///
/// When something does not hold.
pub fn run(input: &[u8]) -> Reached {
    let mut input = Input::new(input);
    let capacity = input.pick(&[4096, 1024, 8192, 2048]);
    let mut world = World::new(capacity);
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        world.call(&mut input);
    }
    world.finish();
    world.reached
}

impl Side {
    fn new(memory: Mapping, rings: [RingPlace; 2], link: Link<Mapping>, life: u64) -> Self {
        let budget = Budget::new(BUDGET);
        let mut exchange = Exchange::new(MAX, budget.clone());
        exchange.begin(Incarnation::of(life), Version::CURRENT);
        let buffer = vec![0; usize::try_from(rings[1].capacity / 2).unwrap_or(usize::MAX)];
        Side {
            memory,
            rings,
            link,
            exchange,
            budget,
            buffer,
            life,
            broken: false,
            small: VecDeque::new(),
            large: VecDeque::new(),
            open: HashMap::new(),
            to_answer: VecDeque::new(),
        }
    }

    fn start(memory: Mapping, rings: [RingPlace; 2], life: u64) -> Self {
        let own = |at: u64| at..at + 512;
        memory.confine(vec![own(rings[0].producer), rings[0].data..rings[0].data + rings[0].capacity]);
        let tx = Producer::start(memory.clone(), rings[0], SALT, 0);
        let rx = Consumer::start(memory.clone(), rings[1], SALT, 0, 0);
        Self::new(memory, rings, Link::new(tx, rx), life)
    }

    /// A turn looks at 64 records at most, and sends 16 pieces; each costs no more than its bytes and a few words.
    fn allow(&self) {
        self.memory.allow(16 * self.rings[0].capacity + 2_000);
    }

    /// A message or a request is on its way. One in fragments, or one that is answered, comes to an end that is told.
    fn sent(&mut self, id: u64, payload: Vec<u8>, large: bool, to_be_answered: bool) {
        if large {
            self.large.push_back(payload)
        } else {
            self.small.push_back(payload)
        }
        if large || to_be_answered {
            assert!(self.open.insert(id, false).is_none(), "the number {id:#x} was given twice");
        }
    }

    /// One end is told of what was sent, once.
    fn ended(&mut self, id: u64) {
        match self.open.get_mut(&id) {
            Some(ended) => assert!(!std::mem::replace(ended, true), "{id:#x} ends twice"),
            None => panic!("{id:#x} ends and was never sent"),
        }
    }
}

impl World {
    fn new(capacity: u64) -> Self {
        let memory = Mapping::new(1024 + 2 * capacity);
        let ring = |index: u64| RingPlace {
            producer: 512 * index,
            consumer: 512 * (1 - index) + 128,
            data: 1024 + capacity * index,
            capacity,
        };
        let sides = [[0, 1], [1, 0]]
            .map(|[own, other]| Side::start(memory.side(), [ring(own), ring(other)], 100 * (own + 1)));
        let now = Duration::from_secs(1);
        World { memory, sides, now, honest: true, steady: true, reached: Reached::default() }
    }

    fn call(&mut self, input: &mut Input<'_>) {
        let call = input.byte();
        let index = usize::from(call / 128);
        if self.sides[index].broken {
            return;
        }
        self.sides[index].allow();
        match call % 32 {
            0..=3 => self.send(index, input),
            4..=5 => self.request(index, input),
            6..=7 => self.respond(index, input),
            8 => self.ping(index, input),
            9..=12 => {
                self.turn(index);
            }
            13..=14 => {
                self.take(index);
            }
            15 => self.sides[index].exchange.hold(input.byte() % 2 == 1),
            16 => self.sides[index].exchange.want_large_messages(input.byte() % 2 == 1),
            17 => self.now += Duration::from_millis(u64::from(input.byte()) * 10),
            18 => self.replace(index),
            19 => {
                let wedged = self.sides[index].link.wedged(self.now);
                assert!(wedged.is_none() || !self.honest, "wedged and nobody lied");
            }
            20 => self.sides[index].link.rx().set_release_window(u64::from(input.short())),
            21..=24 => self.lie_in_a_fragment(index, input),
            25 => self.lie_in_an_end(index, input),
            26..=27 => self.lie_in_a_record(index, input),
            28 => {
                let (at, value) = self.lie(index, input);
                self.memory.scribble(at, value);
            }
            29 => {
                let loads = u32::from(input.byte() % 64);
                let (at, value) = self.lie(index, input);
                self.memory.change_after(loads, at, value);
            }
            30 => self.sides[index].exchange.ack(),
            _ => self.sides[index].link.flush(),
        }
        assert!(self.sides[index].budget.left() <= BUDGET, "more came back than was given");
    }

    fn payload(&self, index: usize, input: &mut Input<'_>) -> Vec<u8> {
        let record = self.sides[index].link.max_payload(0);
        let length = match input.byte() % 4 {
            0 => usize::from(input.byte()),
            1 => usize::from(input.short()) % (record + 1),
            2 => record.saturating_sub(usize::from(input.byte() % 64)) + usize::from(input.byte()),
            _ => usize::from(input.short()),
        };
        let first = input.byte();
        (0..length).map(|i| first.wrapping_add((i / 7).to_le_bytes()[0])).collect()
    }

    fn send(&mut self, index: usize, input: &mut Input<'_>) {
        let topic = input.pick(&TOPICS);
        let payload = self.payload(index, input);
        let side = &mut self.sides[index];
        let outcome = side.exchange.send(&mut side.link, Topic::new(topic).expect("a topic"), &payload);
        match outcome {
            Ok(id) => side.sent(id, payload, is_transfer(id), false),
            Err(error) => self.refused(index, error),
        }
    }

    fn request(&mut self, index: usize, input: &mut Input<'_>) {
        let topic = input.pick(&TOPICS);
        let payload = self.payload(index, input);
        let side = &mut self.sides[index];
        let topic = Topic::new(topic).expect("a topic");
        let large = payload.len() > side.link.max_payload(topic.as_str().len());
        match side.exchange.request(&mut side.link, self.now, topic, &payload, PATIENCE) {
            Ok(id) => side.sent(id, payload, large, true),
            Err(error) => self.refused(index, error),
        }
    }

    fn respond(&mut self, index: usize, input: &mut Input<'_>) {
        let payload = self.payload(index, input);
        let status = input.pick(&[Status::Ok, Status::NoHandler, Status::Failed, Status::Unknown(77)]);
        let side = &mut self.sides[index];
        let Some(id) = side.to_answer.pop_front() else { return };
        if let Err(error) = side.exchange.respond(&mut side.link, id, status, &payload) {
            self.refused(index, error);
        }
    }

    fn ping(&mut self, index: usize, input: &mut Input<'_>) {
        let payload = vec![input.byte(); usize::from(input.byte())];
        let side = &mut self.sides[index];
        match side.exchange.ping(&mut side.link, self.now, &payload, PATIENCE) {
            Ok(id) => assert!(side.open.insert(id, false).is_none(), "the number {id:#x} was given twice"),
            Err(error) => self.refused(index, error),
        }
    }

    fn refused(&mut self, index: usize, error: SendError) {
        match error {
            SendError::Full { needed, free } => assert!(free < needed),
            SendError::TooLarge { length, max } => assert!(length > max),
            SendError::NotAttached => panic!("there is a link"),
            SendError::Fault(fault) => self.broke(index, &fault.to_string()),
        }
    }

    /// The other side is wrong. The session ends here: what is under way comes to its end, and all memory comes back.
    fn broke(&mut self, index: usize, why: &str) {
        assert!(!self.honest, "{why}, and nobody lied");
        self.reached.broken += 1;
        self.end(index);
    }

    fn end(&mut self, index: usize) {
        self.sides[index].broken = true;
        self.sides[index].exchange.end();
        self.outcomes(index);
        let side = &self.sides[index];
        assert_eq!(side.budget.left(), BUDGET, "memory that nobody uses");
        let unanswered = |(id, ended): (&u64, &bool)| (!ended).then_some(*id);
        let left: Vec<u64> = side.open.iter().filter_map(unanswered).collect();
        // A response in fragments is known by its request's number, and told of only when it does not arrive.
        assert!(left.is_empty(), "{left:x?} never ended");
    }

    /// Takes one record; says whether there was one.
    fn take(&mut self, index: usize) -> bool {
        let now = self.now;
        let side = &mut self.sides[index];
        side.exchange.ack();
        let received = match side.link.receive(&mut side.buffer) {
            Ok(Some(received)) => received,
            Ok(None) => {
                side.exchange.is_drained();
                return false;
            }
            Err(error) => {
                self.broke(index, &error.to_string());
                return false;
            }
        };
        let kind = received.kind;
        let arrival = side.exchange.take(received, side.link.piece(), || now).map(Arrival::into_owned);
        if let Some(arrival) = arrival {
            self.arrived(index, kind, arrival);
        }
        true
    }

    fn arrived(&mut self, index: usize, kind: Kind, arrival: Arrival<'static>) {
        let large = kind == Kind::Fragment;
        match arrival {
            Arrival::Message { topic, payload, redelivered, .. } => {
                self.reached.messages += 1;
                self.reached.large += u32::from(large);
                assert!(Topic::new(&topic).is_ok(), "{topic:?}");
                self.was_sent(1 - index, large, &payload, redelivered);
            }
            Arrival::Request { id, topic, payload, redelivered } => {
                self.reached.requests += 1;
                assert!(Topic::new(&topic).is_ok(), "{topic:?}");
                self.sides[index].to_answer.push_back(id);
                self.was_sent(1 - index, large, &payload, redelivered);
            }
            Arrival::Response { id, .. } => {
                self.reached.answers += 1;
                self.sides[index].ended(id);
            }
            Arrival::Pong { id, .. } => self.sides[index].ended(id),
        }
    }

    fn was_sent(&mut self, by: usize, large: bool, payload: &[u8], redelivered: bool) {
        assert!(payload.len() <= MAX);
        if !self.honest || !self.steady {
            return;
        }
        let queue = if large { &mut self.sides[by].large } else { &mut self.sides[by].small };
        // What was declined, or dropped unwanted, is passed over.
        while large && queue.front().is_some_and(|next| next != payload) {
            queue.pop_front();
        }
        let sent = queue.pop_front();
        assert!(!redelivered, "nobody was replaced");
        assert!(sent.as_deref() == Some(payload), "{} bytes arrive that were not sent", payload.len());
    }

    fn outcomes(&mut self, index: usize) {
        while let Some(outcome) = self.sides[index].exchange.outcome() {
            self.reached.other_ends += 1;
            match outcome {
                Outcome::Delivered { id } => {
                    self.reached.other_ends -= 1;
                    self.reached.delivered += 1;
                    self.sides[index].ended(id);
                }
                Outcome::Interrupted { kind: Kind::Response, .. }
                | Outcome::Declined { kind: Kind::Response, .. } => {}
                Outcome::Interrupted { id, .. } | Outcome::Declined { id, .. } => self.sides[index].ended(id),
                Outcome::Unanswered { id, .. } => self.sides[index].ended(id),
            }
        }
    }

    /// A round of its loop; says whether anything moved.
    fn turn(&mut self, index: usize) -> bool {
        if self.sides[index].broken {
            return false;
        }
        let mut moved = false;
        for _ in 0..16 {
            self.sides[index].allow();
            let took = self.take(index);
            moved |= took;
            if !took {
                break;
            }
        }
        if self.sides[index].broken {
            return moved;
        }
        let side = &mut self.sides[index];
        side.allow();
        side.link.flush();
        match side.exchange.pump(&mut side.link) {
            Ok(pumped) => moved |= pumped,
            Err(error) => {
                self.refused(index, error);
                return moved;
            }
        }
        self.sides[index].exchange.expire(self.now);
        self.outcomes(index);
        moved
    }

    /// The program is killed, and another takes over its ends of the rings.
    fn replace(&mut self, index: usize) {
        self.steady = false;
        let side = &self.sides[index];
        let link = match Link::recover(&side.memory, (side.rings[0], SALT), (side.rings[1], SALT)) {
            Ok(link) => link,
            Err(fault) => return self.broke(index, &fault.to_string()),
        };
        self.reached.replaced += 1;
        let next = Side::new(side.memory.clone(), side.rings, link, side.life + 1);
        let incarnation = Incarnation::of(next.life);
        self.sides[index] = next;
        let peer = &mut self.sides[1 - index];
        if !peer.broken {
            peer.exchange.peer_is_being_replaced(incarnation, &mut peer.link);
        }
    }

    /// Everybody goes on until nothing moves, and then both sessions end.
    fn finish(&mut self) {
        for side in &mut self.sides {
            side.exchange.hold(false);
            side.allow();
            side.link.flush();
        }
        // Pings are answered without anybody being told, so a round in which nothing seems to move is not the end.
        let (mut rounds, mut still) = (0, 0);
        while still < 3 {
            still = if self.turn(0) | self.turn(1) { 0 } else { still + 1 };
            rounds += 1;
            assert!(rounds < SETTLED, "two sides never come to rest");
            // A hostile side could answer each word with another.
            if !self.honest && rounds > 64 {
                break;
            }
        }
        if self.honest && self.steady {
            for side in &self.sides {
                assert!(side.small.is_empty(), "{} small ones did not arrive", side.small.len());
                assert!(!side.exchange.is_sending(), "it still sends");
            }
        }
        for index in 0..2 {
            if !self.sides[index].broken {
                self.end(index);
            }
        }
    }
}
