//! The bare ring between two threads of one process, by message size and batch.
//!
//! `cargo bench -p ivring-benches --bench ring`. The figures are those of the machine, and of where its scheduler puts the
//! two threads: pin them (`taskset -c 0,1`) to compare.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ivring_benches::{WINDOW, one_way};

fn by_size_and_batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring/one_way");
    for length in [64, 1024] {
        for batch in [1, 32] {
            group.throughput(Throughput::Bytes(length as u64));
            group.bench_function(BenchmarkId::new(format!("batch_{batch}"), length), |bencher| {
                bencher.iter_custom(|messages| one_way(messages, length, batch, WINDOW));
            });
        }
    }
    group.finish();
}

/// What it costs to repeat little after a crash: space given back for each record, for each page, and as it is otherwise.
fn by_repeat_window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring/repeat_window");
    for length in [64, 1024] {
        for window in [0, 4096, WINDOW] {
            group.throughput(Throughput::Bytes(length as u64));
            group.bench_function(BenchmarkId::new(format!("window_{window}"), length), |bencher| {
                bencher.iter_custom(|messages| one_way(messages, length, 32, window));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, by_size_and_batch, by_repeat_window);
criterion_main!(benches);
