//! What idle channels cost the one that is in use: a round trip of one guest alone, and of the same among 254 idle ones.
//!
//! `cargo bench -p ivring-benches --bench idle_channels`. The region has 64 MiB and 255 channels in both cases. The ratio
//! that is printed first is of medians of short measurements that take turns; what criterion says follows.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::cell::RefCell;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ivring_benches::Placement;
use ivring_benches::linked::Linked;
use ivring_benches::near::{measure, probe};

const SIZE: u64 = 64 << 20;
const CHANNELS: u64 = 255;
/// With the envelope, the topic and the header a message of two lines.
const LENGTH: usize = 56;
/// Short enough to be done before something else runs, mostly.
const TRIPS: u64 = 2_000;
const ROUNDS: usize = 31;

fn take_turns(alone: &mut Linked, among: &mut Linked, rounds: usize) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (linked, times) in [&mut *alone, &mut *among].into_iter().zip(&mut times) {
            linked.breathe();
            let (time, placement) = measure(|| linked.round_trips(TRIPS, LENGTH));
            if placement == Placement::Near {
                times.push(time);
            }
        }
    }
    let [alone, among] = times.map(median);
    let (trip, placement) = probe();
    println!("a line there and back at the end: {trip:.0} ns, {}", placement.label());
    match (alone, among) {
        (Some(alone), Some(among)) => {
            let ratio = among.as_secs_f64() / alone.as_secs_f64();
            println!(
                "one guest alone {alone:?}, among {} idle ones {among:?}, ratio {ratio:.2}",
                CHANNELS - 1
            );
        }
        _ => println!("the processors were never near, or never undisturbed: no ratio"),
    }
}

/// The time of one trip in the middle one of the measurements.
fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).map(|time| *time / u32::try_from(TRIPS).expect("a small number"))
}

fn round_trips(criterion: &mut Criterion) {
    let mut alone = Linked::new(SIZE, CHANNELS, 1);
    let mut among = Linked::new(SIZE, CHANNELS, CHANNELS.into());
    // Under `cargo test` everything runs once.
    let once = std::env::args().any(|argument| argument == "--test");
    take_turns(&mut alone, &mut among, if once { 1 } else { ROUNDS });
    let mut group = criterion.benchmark_group("idle_channels/round_trip");
    for (name, linked) in [("alone", RefCell::new(alone)), ("among_idle", RefCell::new(among))] {
        group.bench_function(name, |bencher| {
            let linked = &mut *linked.borrow_mut();
            linked.breathe();
            bencher.iter_custom(|trips| measure(|| linked.round_trips(trips, LENGTH)).0);
        });
    }
    group.finish();
}

criterion_group!(benches, round_trips);
criterion_main!(benches);
