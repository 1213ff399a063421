//! Every way to copy that this machine has, against `memcpy`, by length and by the cache that the shared bytes are in.
//!
//! `cargo bench -p ivring-benches --bench copies`. One step is a copy in and a copy out of other bytes, each at the place of
//! the next record, as a ring has them; the private bytes stay the same. All of it is done by one core: the time that a
//! line takes from one core to another is in the benchmark `ring`, not here.
//!
//! `memcpy` takes turns with the routine that is measured, and the median of their ratios is told beside each figure: it
//! stays the same where other work disturbs the machine, and the figure does not. Routines for memory that is not cached
//! are measured on cached memory like the others, since there is no other here: that is what they cost where they do not
//! belong.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ivring_proto::memory::{CopyRoutine, HeapMemory, Memory};

const LENGTHS: [usize; 12] = [8, 56, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536];
/// Where the shared bytes stay, and how many there are.
const FOOTPRINTS: [(&str, usize); 3] = [("L1", 16 << 10), ("L2", 256 << 10), ("memory", 8 << 20)];

/// The places of records of one length in so many bytes, one after the other and again.
struct Places {
    next: usize,
    step: usize,
    footprint: usize,
}

impl Places {
    fn new(length: usize, footprint: usize) -> Self {
        Self { next: 8, step: (length + 8).next_multiple_of(8), footprint: footprint.max(2 * length + 16) }
    }

    fn next(&mut self) -> usize {
        let place = self.next;
        let next = place + self.step;
        self.next = if next + self.step > self.footprint { 8 } else { next };
        place
    }
}

/// Times `steps` steps, each with two places.
fn time(steps: u64, places: &mut Places, mut step: impl FnMut(usize, usize)) -> Duration {
    let start = Instant::now();
    for _ in 0..steps {
        step(places.next(), places.next());
    }
    start.elapsed()
}

/// What copies.
#[derive(Clone, Copy)]
enum Copier {
    /// Whatever the ring uses.
    Chosen,
    One(CopyRoutine),
}

fn copies(criterion: &mut Criterion) {
    let available = CopyRoutine::ALL.into_iter().filter(|routine| routine.is_available());
    let copiers: Vec<Copier> = [Copier::Chosen].into_iter().chain(available.map(Copier::One)).collect();
    for (name, footprint) in FOOTPRINTS {
        let mut group = criterion.benchmark_group(format!("copies/{name}"));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(50))
            .measurement_time(Duration::from_millis(200));
        for length in LENGTHS.into_iter().filter(|length| 2 * length <= footprint) {
            group.throughput(Throughput::Bytes(2 * length as u64));
            for copier in &copiers {
                let label = match copier {
                    Copier::Chosen => "chosen".to_owned(),
                    Copier::One(routine) => routine.to_string(),
                };
                let mut ratios = vec![];
                group.bench_function(BenchmarkId::new(&label, length), |bencher| {
                    let mut race = Race::new(length, footprint);
                    bencher.iter_custom(|steps| race.run(steps, *copier, &mut ratios));
                });
                ratios.sort_by(f64::total_cmp);
                if let Some(median) = ratios.get(ratios.len() / 2) {
                    println!("{label}, {length} bytes in {name}: {median:.2} of the time of memcpy");
                }
            }
        }
        group.finish();
    }
}

/// A routine and `memcpy`, in turns.
struct Race {
    length: usize,
    memory: HeapMemory,
    memory_places: Places,
    plain: Vec<u8>,
    plain_places: Places,
    from: Vec<u8>,
    into: Vec<u8>,
}

impl Race {
    fn new(length: usize, footprint: usize) -> Self {
        let places = || Places::new(length, footprint);
        let size = (places().footprint + length + 16).next_multiple_of(8);
        Self {
            length,
            memory: HeapMemory::new(size),
            memory_places: places(),
            plain: vec![0; size],
            plain_places: places(),
            from: vec![1; length],
            into: vec![0; length],
        }
    }

    /// The time of `steps` by `copier`; `memcpy` does as many, and the ratio of each turn is kept.
    fn run(&mut self, steps: u64, copier: Copier, ratios: &mut Vec<f64>) -> Duration {
        // Long enough that looking at the clock does not count.
        let turn = (1 << 18) / (self.length as u64 + 256);
        let (mut all, mut left) = (Duration::ZERO, steps);
        while left > 0 {
            let steps = left.min(turn);
            left -= steps;
            let own = self.own(steps, copier);
            ratios.push(own.div_duration_f64(self.memcpy(steps)));
            all += own;
        }
        all
    }

    fn own(&mut self, steps: u64, copier: Copier) -> Duration {
        let Self { memory, memory_places: places, from, into, .. } = self;
        let (from, into) = (black_box(&from[..]), black_box(&mut into[..]));
        match copier {
            Copier::Chosen => time(steps, places, |put, take| {
                memory.copy_in(put as u64, from);
                memory.copy_out(take as u64, into);
            }),
            Copier::One(routine) => time(steps, places, |put, take| {
                memory.copy_in_by(routine, put as u64, from);
                memory.copy_out_by(routine, take as u64, into);
            }),
        }
    }

    fn memcpy(&mut self, steps: u64) -> Duration {
        let Self { plain, plain_places: places, from, into, .. } = self;
        let (from, into) = (black_box(&from[..]), black_box(&mut into[..]));
        time(steps, places, |put, take| {
            plain[put..put + from.len()].copy_from_slice(from);
            into.copy_from_slice(&plain[take..take + from.len()]);
            black_box(&mut *into);
        })
    }
}

criterion_group!(benches, copies);
criterion_main!(benches);
