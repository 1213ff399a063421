//! Messages that go in fragments, from one program's bytes to another's, over two links on one core.
//!
//! `cargo bench -p ivring-benches --bench large_messages`. Both ends take turns, so what is measured is the work a byte
//! makes: kept by its sender, copied into the ring, out of it and together again.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ivring_benches::CAPACITY;
use ivring_proto::{
    layout::{RingPlace, Version},
    link::{Arrival, Budget, Exchange, Incarnation, Link, Topic},
    memory::HeapMemory,
    ring::{Consumer, Producer},
};

/// One program.
struct Side {
    link: Link<HeapMemory>,
    exchange: Exchange,
    buffer: Vec<u8>,
}

fn sides() -> [Side; 2] {
    let memory = HeapMemory::new(1024 + 2 * 256 * 1024);
    let ring = |index: u64| RingPlace {
        producer: 512 * index,
        consumer: 512 * index + 128,
        data: 1024 + CAPACITY * index,
        capacity: CAPACITY,
    };
    [(0, 1), (1, 0)].map(|(own, other)| {
        let tx = Producer::start(memory.clone(), ring(own), 7, 0);
        let rx = Consumer::start(memory.clone(), ring(other), 7, 0, 0);
        let mut exchange = Exchange::new(64 << 20, Budget::new(256 << 20));
        exchange.begin(Incarnation::of(own + 1), Version::CURRENT);
        Side { link: Link::new(tx, rx), exchange, buffer: vec![0; 128 << 10] }
    })
}

impl Side {
    /// Takes all there is, and hands what arrived to `arrived`; sends what there is room for.
    fn turn(&mut self, mut arrived: impl FnMut(Arrival<'_>)) {
        self.exchange.ack();
        while let Some(received) = self.link.receive(&mut self.buffer).expect("the other side is correct") {
            if let Some(arrival) = self.exchange.take(received, self.link.piece(), || Duration::ZERO) {
                arrived(arrival);
            }
            self.exchange.ack();
        }
        self.exchange.pump(&mut self.link).expect("the other side is correct");
        while self.exchange.outcome().is_some() {}
    }
}

fn by_size(criterion: &mut Criterion) {
    let topic = Topic::new("file").expect("a valid topic");
    let mut group = criterion.benchmark_group("link/large_message");
    for length in [256 << 10, 1 << 20, 16 << 20] {
        let payload: Vec<u8> = (0..length).map(|i: usize| i.to_le_bytes()[0]).collect();
        let [mut sender, mut receiver] = sides();
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                sender.exchange.send(&mut sender.link, topic, &payload).expect("room for one");
                let mut whole = false;
                while !whole {
                    sender.turn(|_| {});
                    receiver.turn(|arrival| {
                        let Arrival::Message { payload: got, .. } = arrival else {
                            panic!("nothing else was sent")
                        };
                        assert_eq!((got.len(), got.last()), (payload.len(), payload.last()));
                        whole = true;
                    });
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, by_size);
criterion_main!(benches);
