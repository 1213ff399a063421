//! How long a guest takes to join a host that is there, to leave and join again, and how long a host takes to go on with
//! the guests of another that has ended.
//!
//! `cargo bench -p ivring-benches --bench join`. A join ends with the guest's first message at the host. Everybody spins: a
//! host or guest that sleeps adds what its profile says.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::cell::RefCell;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ivring_benches::joining::Joining;
use ivring_benches::near::{measure, probe};
use ivring_benches::succession::{Succession, Until};

/// The same region however many guests there are.
const SIZE: u64 = 64 << 20;
const CHANNELS: u64 = 255;

fn one_guest(criterion: &mut Criterion) {
    let joining = RefCell::new(Joining::new());
    let mut group = criterion.benchmark_group("join/first_message");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function("in_turns", |bencher| {
        bencher.iter_custom(|joins| joining.borrow_mut().in_turns(joins));
    });
    group.bench_function("on_two_processors", |bencher| {
        let joining = &mut *joining.borrow_mut();
        bencher.iter_custom(|joins| measure(|| joining.on_two_processors(joins)).0);
    });
    group.bench_function("again", |bencher| {
        bencher.iter_custom(|joins| joining.borrow_mut().again(joins));
    });
    group.finish();
    let (trip, placement) = probe();
    println!("a line there and back at the end: {trip:.0} ns, {}", placement.label());
}

fn host_takes_over(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join/host_takes_over");
    // Short, as each time that counts has a longer one around it that does not.
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(500));
    for guests in [1, 64, CHANNELS] {
        let mut succession = Succession::new(SIZE, CHANNELS, guests.into());
        for (name, until) in [("answered", Until::Answered), ("noticed", Until::Noticed)] {
            group.bench_function(BenchmarkId::new(name, guests), |bencher| {
                bencher.iter_custom(|times| succession.take_over(times, until));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, one_guest, host_takes_over);
criterion_main!(benches);
