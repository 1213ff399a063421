//! A ring, both its ends, and somebody who writes into it.
//!
//! The input: capacity, start, whether the region begins with an image of its own, and then calls. As long as nobody else
//! has written, what comes out is what went in, over restarts of either end. Afterwards an end may report a fault and must
//! then leave the memory alone; no call makes more accesses than a ring and a record justify.

#[cfg(test)]
mod seeds;

use std::ops::Range;

use ivring_proto::layout::{MAX_POSITION, RingPlace, control_word, is_position};
use ivring_proto::ring::{Class, Consumer, Fault, HEADER, Producer, PushError, Record, walk};

use crate::memory::Mapping;
use crate::{Input, lies};

const SALT: u64 = 0xabcd_ef01_2345_6789;
/// Where the lines of the two ends are, and the records.
const PRODUCER: u64 = 0;
const CONSUMER: u64 = 128;
const DATA: u64 = 256;
/// Calls of one input.
const MOST_CALLS: u32 = 400;

/// How far an input came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Records that came out.
    pub delivered: u32,
    /// Of them marked as such that may have come out before.
    pub redelivered: u32,
    /// Ends that took over and went on.
    pub recovered: u32,
    /// Ends that took over and found a fault.
    pub not_recovered: u32,
    /// The fault that the producer ended with.
    pub producer_fault: Option<Fault>,
    /// The fault that the consumer ended with.
    pub consumer_fault: Option<Fault>,
    /// Records that a walk visited.
    pub walked: u32,
    /// Records refused for want of room.
    pub full: u32,
}

struct Sent {
    position: u64,
    kind: u8,
    payload: Vec<u8>,
}

struct World {
    memory: Mapping,
    place: RingPlace,
    tx: Producer<Mapping>,
    rx: Consumer<Mapping>,
    tx_memory: Mapping,
    rx_memory: Mapping,
    /// Nobody but the two ends has written, and they began where a session may.
    honest: bool,
    /// What was appended and may still come out.
    sent: Vec<Sent>,
    /// How many of them have come out.
    taken: usize,
    /// Records before it may come out marked.
    marked_to: u64,
    reached: Reached,
}

/// Runs an input.
///
/// # Panics
///
/// When something does not hold.
pub fn run(input: &[u8]) -> Reached {
    let mut input = Input::new(input);
    let capacity = 32 + u64::from(input.byte()) * 8;
    let start = match input.byte() % 4 {
        0 => 0,
        1 => u64::from(input.short()) * 8,
        2 => MAX_POSITION - u64::from(input.short()) * 8,
        _ => input.word(),
    };
    let mut world = World::new(capacity, start);
    if input.byte() % 4 == 1 {
        world.take_image(&mut input);
    }
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        world.call(&mut input);
        world.leave_alone();
    }
    world.reached.producer_fault = world.tx.fault();
    world.reached.consumer_fault = world.rx.fault();
    world.reached
}

fn ranges(place: &RingPlace) -> [Vec<Range<u64>>; 2] {
    let line = |at: u64| at..at + 128;
    [vec![line(PRODUCER), place.data..place.data + place.capacity], vec![line(CONSUMER)]]
}

impl World {
    fn new(capacity: u64, start: u64) -> Self {
        let place = RingPlace { data: DATA, capacity, producer: PRODUCER, consumer: CONSUMER };
        let memory = Mapping::new(DATA + capacity);
        let (tx_memory, rx_memory) = (memory.side(), memory.side());
        let [tx_own, rx_own] = ranges(&place);
        tx_memory.confine(tx_own);
        rx_memory.confine(rx_own);
        let tx = Producer::start(tx_memory.clone(), place, SALT, start);
        let rx = Consumer::start(rx_memory.clone(), place, SALT, start, start);
        World {
            memory,
            place,
            tx,
            rx,
            tx_memory,
            rx_memory,
            honest: is_position(start),
            sent: Vec::new(),
            taken: 0,
            marked_to: start,
            reached: Reached::default(),
        }
    }

    /// The region is as the input says, byte by byte, and both ends take it over.
    fn take_image(&mut self, input: &mut Input<'_>) {
        self.honest = false;
        for at in [PRODUCER, CONSUMER, CONSUMER + control_word::SEEN] {
            let value = input.word();
            self.memory.scribble(at, value);
        }
        let length = usize::from(input.short()).min(usize::try_from(self.place.capacity).unwrap_or(0));
        let mut image = Input::new(input.bytes(length));
        for at in (self.place.data..self.place.data + self.place.capacity).step_by(8) {
            self.memory.scribble(at, image.word());
        }
        self.restart_producer();
        self.restart_consumer();
    }

    /// No call looks at more than all headers there can be, a few words, and the bytes of a record.
    fn allow(&self, memory: &Mapping, bytes: u64) {
        memory.allow(2 * (self.place.capacity / 8) + 2 * (bytes / 8) + 32);
    }

    fn call(&mut self, input: &mut Input<'_>) {
        self.allow(&self.tx_memory, 0);
        self.allow(&self.rx_memory, self.place.capacity);
        match input.byte() % 20 {
            0..=3 => self.push(input),
            4 => self.claim(input),
            5 => self.tx.flush(),
            6 => self.tx.prepare(),
            7..=9 => self.take(input, true),
            10 => self.take(input, false),
            11 => self.rx.release(),
            12 => self.rx.set_release_window(u64::from(input.short())),
            13 => self.rx.hold(input.byte() % 2 == 1),
            14 => self.restart_producer(),
            15 => self.restart_consumer(),
            16 => self.walk(),
            17 => self.ask(),
            18 => {
                let (at, value) = self.lie(input);
                self.memory.scribble(at, value);
            }
            _ => {
                let loads = u32::from(input.byte() % 32);
                let (at, value) = self.lie(input);
                self.memory.change_after(loads, at, value);
            }
        }
    }

    fn lie(&mut self, input: &mut Input<'_>) -> (u64, u64) {
        self.honest = false;
        let ends = [self.tx.position(), self.rx.position()];
        lies::in_ring(input, &self.place, SALT, ends, |at| self.memory.look(at))
    }

    fn payload(&self, input: &mut Input<'_>, class: Class) -> (u8, Vec<u8>) {
        let max = if class == Class::Bulk { self.tx.max_fragment() } else { self.tx.max_payload() };
        let kind = input.byte().max(2);
        let length = usize::from(input.short()) % (max + 2);
        let first = input.byte();
        self.allow(&self.tx_memory, length as u64);
        (kind, (0..length).map(|i| first.wrapping_add(i.to_le_bytes()[0])).collect())
    }

    fn push(&mut self, input: &mut Input<'_>) {
        let class = input.pick(&[Class::Control, Class::Message, Class::Bulk]);
        let (kind, payload) = self.payload(input, class);
        let (one, other) = payload.split_at(payload.len() / 3);
        let outcome = self.tx.push(kind, class, &[one, other]);
        self.pushed(kind, payload, outcome);
    }

    fn claim(&mut self, input: &mut Input<'_>) {
        let class = input.pick(&[Class::Control, Class::Message, Class::Bulk]);
        let (kind, payload) = self.payload(input, class);
        let piece = usize::from(input.byte() % 32) + 1;
        let commit = !input.once_in(4);
        // A byte a piece may cost an access each.
        self.tx_memory.allow(4 * self.place.capacity + 64);
        let position = self.tx.position();
        let outcome = match self.tx.claim(kind, class, payload.len()) {
            Ok(mut claim) => {
                for (number, bytes) in payload.chunks(piece).enumerate().rev() {
                    claim.write(number * piece, bytes);
                }
                if !commit {
                    drop(claim);
                    assert_eq!(self.tx.position(), position, "a claim given up takes room");
                    return;
                }
                Ok(claim.commit())
            }
            Err(error) => Err(error),
        };
        self.pushed(kind, payload, outcome);
    }

    fn pushed(&mut self, kind: u8, payload: Vec<u8>, outcome: Result<u64, PushError>) {
        match outcome {
            Ok(position) if self.honest => self.sent.push(Sent { position, kind, payload }),
            Ok(_) => {}
            Err(PushError::Full { needed, free }) => {
                assert!(free < needed, "refused with {free} bytes free for {needed}");
                self.reached.full += 1;
            }
            Err(PushError::TooLarge { length, max }) => assert!(length > max && length == payload.len()),
            Err(PushError::Fault(fault)) => {
                assert!(!self.honest, "{fault} and nobody else has written");
                assert_eq!(self.tx.fault(), Some(fault), "a fault that is not kept");
            }
        }
    }

    fn take(&mut self, input: &mut Input<'_>, commit: bool) {
        let piece = usize::from(input.byte()) + 1;
        self.rx_memory.allow(8 * self.place.capacity + 64);
        let record = match self.rx.peek() {
            Ok(Some(record)) => record,
            Ok(None) => return self.found_nothing(),
            Err(fault) => {
                assert!(!self.honest, "{fault} and nobody else has written");
                assert_eq!(self.rx.fault(), Some(fault), "a fault that is not kept");
                return;
            }
        };
        let most = self.place.capacity / 2;
        assert!(
            record.kind() >= 2 && HEADER + record.length() as u64 <= most,
            "{record:?} in a ring of {most}"
        );
        let payload = self.read(&record, piece);
        if self.honest {
            self.compare(&record, &payload);
        }
        if commit {
            self.rx.commit();
            self.taken += usize::from(self.honest);
            self.reached.delivered += 1;
            self.reached.redelivered += u32::from(record.redelivered());
        }
    }

    /// In pieces and as words; while somebody writes, the two may differ.
    fn read(&self, record: &Record, piece: usize) -> Vec<u8> {
        let view = self.rx.view(record);
        let (mut payload, mut buffer) = (Vec::new(), vec![0; piece]);
        let mut chunks = view.chunks(&mut buffer);
        while let Some(chunk) = chunks.next_chunk() {
            payload.extend_from_slice(chunk);
        }
        assert_eq!(payload.len(), record.length());
        if let Some(last) = record.length().checked_sub(8) {
            let word = view.word(last);
            assert!(!self.honest || payload[last..] == word.to_le_bytes());
        }
        payload
    }

    fn compare(&self, record: &Record, payload: &[u8]) {
        let sent = self.sent.get(self.taken).expect("more comes out than went in");
        let position = record.position();
        assert!(position < self.published(), "what is not published comes out");
        assert_eq!((position, record.kind()), (sent.position, sent.kind));
        assert!(payload == sent.payload, "{payload:?} instead of {:?}", sent.payload);
        let marked = self.marked_to.wrapping_sub(position).wrapping_sub(1) < self.place.capacity;
        assert_eq!(record.redelivered(), marked, "at {position}, handed over up to {}", self.marked_to);
    }

    /// By the producer's own word, which nobody else has written.
    fn published(&self) -> u64 {
        self.memory.look(PRODUCER + control_word::HINT)
    }

    fn found_nothing(&self) {
        if self.honest {
            assert_eq!(self.rx.position(), self.published(), "what is published does not come out");
        }
    }

    fn restart_producer(&mut self) {
        let stores = self.tx_memory.stores();
        self.allow(&self.tx_memory, 0);
        match Producer::recover(self.tx_memory.clone(), self.place, SALT) {
            Ok(tx) => {
                self.reached.recovered += 1;
                let end = tx.position();
                if self.honest {
                    assert_eq!(end, self.published(), "a successor goes on elsewhere");
                }
                self.sent.retain(|sent| end.wrapping_sub(sent.position).cast_signed() > 0);
                self.tx = tx;
            }
            Err(fault) => {
                assert!(!self.honest, "{fault} and nobody else has written");
                assert_eq!(self.tx_memory.stores(), stores, "it stores although it found {fault}");
                self.reached.not_recovered += 1;
            }
        }
    }

    fn restart_consumer(&mut self) {
        let stores = self.rx_memory.stores();
        self.allow(&self.rx_memory, 0);
        let resumed = Consumer::resume(self.rx_memory.clone(), self.place, SALT);
        assert_eq!(self.rx_memory.stores(), stores, "a successor stores before it takes anything");
        match resumed {
            Ok(rx) => {
                self.reached.recovered += 1;
                if self.honest {
                    self.marked_to = self.memory.look(CONSUMER + control_word::SEEN);
                    let head = rx.position();
                    let before = |sent: &Sent| head.wrapping_sub(sent.position).cast_signed() > 0;
                    self.taken = self.sent.iter().take_while(|sent| before(sent)).count();
                }
                self.rx = rx;
            }
            Err(fault) => {
                assert!(!self.honest, "{fault} and nobody else has written");
                self.reached.not_recovered += 1;
            }
        }
    }

    fn walk(&mut self) {
        let head = self.memory.look(CONSUMER + control_word::HEAD);
        self.allow(&self.memory, 0);
        let mut visited = 0;
        let end = walk(&self.memory, self.place, SALT, head, |_| visited += 1);
        assert!(visited <= self.place.capacity / 8, "{visited} records in {} bytes", self.place.capacity);
        if self.honest {
            assert_eq!(end, Ok(self.published()));
        }
        self.reached.walked += u32::try_from(visited).unwrap_or(u32::MAX);
    }

    fn ask(&mut self) {
        let behind = self.rx.is_behind_hint();
        assert!(!(behind && self.honest), "wedged and nobody else has written");
        if let Ok(used) = self.tx.used() {
            assert!(used < self.place.capacity, "{used} bytes used of {}", self.place.capacity);
        }
    }

    /// Whoever has found a fault touches the ring no more.
    fn leave_alone(&mut self) {
        let (stored, taken) = (self.tx_memory.stores(), self.rx_memory.stores());
        if let Some(fault) = self.tx.fault() {
            self.tx.flush();
            self.tx.prepare();
            assert_eq!(self.tx.push(2, Class::Control, &[]), Err(PushError::Fault(fault)));
            assert_eq!(self.tx_memory.stores(), stored, "it stores after {fault}");
        }
        if let Some(fault) = self.rx.fault() {
            self.rx.commit();
            self.rx.release();
            assert_eq!(self.rx.peek(), Err(fault));
            assert_eq!(self.rx_memory.stores(), taken, "it stores after {fault}");
        }
    }
}
