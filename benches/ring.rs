//! The bare ring between two threads of one process, by message size and batch.
//!
//! `cargo bench -p ivring-benches --bench ring`. The figures are those of the machine, and of where its scheduler puts the
//! two threads: pin them (`taskset -c 0,1`) to compare.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn one_way(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring/one_way");
    for length in [64, 1024] {
        for batch in [1, 32] {
            group.throughput(Throughput::Bytes(length as u64));
            group.bench_function(BenchmarkId::new(format!("batch_{batch}"), length), |bencher| {
                bencher.iter_custom(|messages| ivring_benches::one_way(messages, length, batch));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, one_way);
criterion_main!(benches);
