//! Messages through the link, from a guest's program to a host's and back, against the bare ring.
//!
//! `cargo bench -p ivring-benches --bench link`. Every message is copied in and out and checked, on both. Before and after
//! each measurement the distance of the two processors is looked at, and it is done again when they were far apart.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::cell::RefCell;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ivring_benches::linked::Linked;
use ivring_benches::near::measure;
use ivring_benches::{WINDOW, one_way};

fn by_size_and_batch(criterion: &mut Criterion) {
    let linked = RefCell::new(Linked::new(8 << 20, 15, 1));
    let mut group = criterion.benchmark_group("link/one_way");
    for length in [64, 1024] {
        for batch in [1, 32] {
            group.throughput(Throughput::Elements(1));
            let name = |what: &str| BenchmarkId::new(format!("{what}/batch_{batch}"), length);
            group.bench_function(name("bare_ring"), |bencher| {
                bencher.iter_custom(|messages| measure(|| one_way(messages, length, batch, WINDOW)).0);
            });
            group.bench_function(name("to_host"), |bencher| {
                let linked = &mut *linked.borrow_mut();
                bencher.iter_custom(|messages| measure(|| linked.to_host(messages, length, batch)).0);
            });
            group.bench_function(name("to_guest"), |bencher| {
                let linked = &mut *linked.borrow_mut();
                bencher.iter_custom(|messages| measure(|| linked.to_guest(messages, length, batch)).0);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, by_size_and_batch);
criterion_main!(benches);
