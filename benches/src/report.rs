//! What a comparison found: every sample, and the medians of those that belong together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    measurement::{Sample, Test},
    peers::Peer,
    placement::Placement,
    statistics::median,
    system::System,
    table,
    worker::Figure,
};

/// The whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report<P = Peer, T = Test> {
    /// The machine.
    pub system: System,
    /// How many rounds were measured.
    pub rounds: usize,
    /// How long each measurement took, in milliseconds, without its warm-up.
    pub measured_ms: u64,
    /// How many measurements were repeated, because of other processes or because the cores moved.
    pub repeated: usize,
    /// Medians, a cell of the tables each.
    pub cells: Vec<Cell<P, T>>,
    /// Every measurement, those that were repeated included.
    pub samples: Vec<Sample<P, T>>,
}

/// The median of one peer's samples in one test and placement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell<P = Peer, T = Test> {
    /// Who was measured.
    pub peer: P,
    /// What was measured.
    pub test: T,
    /// Where the cores were; nothing when there was one only.
    pub placement: Option<Placement>,
    /// Of how many samples.
    pub samples: usize,
    /// Whether there are none but disturbed ones.
    pub disturbed: bool,
    /// Nanoseconds a message, or for the usual round trip.
    pub ns: f64,
    /// Percentiles 50, 99 and 99.9 of round trips, in nanoseconds.
    pub percentiles_ns: Option<[f64; 3]>,
}

impl<P: Copy + Ord, T: Copy + Ord> Report<P, T> {
    /// Puts samples together.
    pub(crate) fn new(
        system: System,
        rounds: usize,
        measured_ms: u64,
        repeated: usize,
        samples: Vec<Sample<P, T>>,
    ) -> Self {
        Self { system, rounds, measured_ms, repeated, cells: cells(&samples), samples }
    }

    /// The cell of a peer in a test, for cores at `placement`.
    #[must_use]
    pub fn cell(&self, peer: P, test: T, placement: Placement) -> Option<&Cell<P, T>> {
        self.cells.iter().find(|cell| {
            (cell.peer, cell.test) == (peer, test) && cell.placement.is_none_or(|is| is == placement)
        })
    }

    /// How long `peer` takes beside `other` in a test, for cores at `placement`: the median of the ratios in each round, so that
    /// a machine that changes with time changes both. Only of samples that nothing disturbed.
    #[must_use]
    pub fn ratio(&self, peer: P, other: P, test: T, placement: Placement) -> Option<f64> {
        let good = |peer: P, round: usize| {
            let fits = |sample: &&Sample<P, T>| {
                (sample.peer, sample.test, sample.round) == (peer, test, round)
                    && sample.is_good()
                    && sample.placement.is_none_or(|is| is == placement)
            };
            self.samples.iter().find(fits).map(|sample| usual(&sample.figure))
        };
        let ratio = |round| Some(good(peer, round)? / good(other, round)?);
        let mut ratios: Vec<f64> = (0..self.rounds).filter_map(ratio).collect();
        median(&mut ratios)
    }
}

impl fmt::Display for Report {
    /// All tables, and what they were made on.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let System { processor, kernel, used: [one, other], processors, memory, .. } = &self.system;
        let guest = if self.system.virtual_machine { ", a virtual machine" } else { "" };
        let commit = self.system.commit.as_deref().unwrap_or("unknown");
        writeln!(to, "{processor}, kernel {kernel}{guest}, processors {one} and {other} of {processors}")?;
        writeln!(to, "memory {memory}, commit {commit}, {} rounds of {} ms", self.rounds, self.measured_ms)?;
        if self.system.one_core {
            writeln!(to, "The two processors are threads of one core, and share all of its caches.")?;
        }
        if !self.system.optimised {
            writeln!(to, "This is a debug build: its figures mean nothing. Build it with --release.")?;
        }
        for table in table::all(self) {
            write!(to, "\n{}", table.text())?;
        }
        write!(to, "\n{}", table::NOTE)
    }
}

fn cells<P: Copy + Ord, T: Copy + Ord>(samples: &[Sample<P, T>]) -> Vec<Cell<P, T>> {
    let mut keys: Vec<_> = samples
        .iter()
        .filter(|sample| sample.placement != Some(Placement::Moved))
        .map(|sample| (sample.peer, sample.test, sample.placement))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter_map(|key| {
            let of_key = |sample: &&Sample<P, T>| (sample.peer, sample.test, sample.placement) == key;
            let all: Vec<&Sample<P, T>> = samples.iter().filter(of_key).collect();
            let good: Vec<&Sample<P, T>> = all.iter().copied().filter(|sample| !sample.disturbed).collect();
            cell(key, if good.is_empty() { &all } else { &good }, good.is_empty())
        })
        .collect()
}

fn cell<P, T>(
    (peer, test, placement): (P, T, Option<Placement>),
    samples: &[&Sample<P, T>],
    disturbed: bool,
) -> Option<Cell<P, T>> {
    let middle = |number: fn(&Figure) -> Option<f64>| {
        let mut values: Vec<f64> = samples.iter().filter_map(|sample| number(&sample.figure)).collect();
        median(&mut values)
    };
    let percentiles = [p50, p99, p999].map(middle);
    Some(Cell {
        peer,
        test,
        placement,
        samples: samples.len(),
        disturbed,
        ns: middle(|figure| Some(usual(figure)))?,
        percentiles_ns: match percentiles {
            [Some(p50), Some(p99), Some(p999)] => Some([p50, p99, p999]),
            _ => None,
        },
    })
}

/// Nanoseconds a message, or for the usual round trip.
fn usual(figure: &Figure) -> f64 {
    match figure {
        Figure::OneWay { ns, .. } => *ns,
        Figure::RoundTrip(times) => times.usual_ns,
    }
}

fn p50(figure: &Figure) -> Option<f64> {
    percentile(figure, 0)
}

fn p99(figure: &Figure) -> Option<f64> {
    percentile(figure, 1)
}

fn p999(figure: &Figure) -> Option<f64> {
    percentile(figure, 2)
}

fn percentile(figure: &Figure, which: usize) -> Option<f64> {
    let Figure::RoundTrip(times) = figure else { return None };
    let ns = [times.p50_ns, times.p99_ns, times.p999_ns][which];
    // Nothing that was measured takes longer than four seconds: that is the limit of the type.
    Some(u32::try_from(ns).map_or(f64::from(u32::MAX), f64::from))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report of samples: peer, length one way, round, nanoseconds, whether it was disturbed.
    pub(crate) fn report(samples: &[(Peer, usize, usize, f64, bool)]) -> Report {
        let samples = samples.iter().map(|(peer, length, round, ns, disturbed)| Sample {
            peer: *peer,
            test: Test::OneWay { length: *length },
            round: *round,
            placement: Some(Placement::Near),
            probes_ns: vec![59.0, 60.0],
            others_ms: 0,
            held_up_ns: 0,
            disturbed: *disturbed,
            figure: Figure::OneWay { ns: *ns, count: 1 },
        });
        Report::new(System::here([0, 1]), 3, 100, 0, samples.collect())
    }

    #[test]
    fn a_disturbed_sample_counts_only_where_there_is_no_other() {
        let report = report(&[
            (Peer::Ring, 64, 0, 4.0, false),
            (Peer::Ring, 64, 1, 400.0, true),
            (Peer::Ring, 64, 1, 6.0, false),
            (Peer::Pipe, 64, 0, 900.0, true),
        ]);
        let test = Test::OneWay { length: 64 };
        let ring = report.cell(Peer::Ring, test, Placement::Near).unwrap();
        assert_eq!((ring.ns, ring.samples, ring.disturbed), (5.0, 2, false));
        let pipe = report.cell(Peer::Pipe, test, Placement::Near).unwrap();
        assert_eq!((pipe.ns, pipe.samples, pipe.disturbed), (900.0, 1, true));
        assert!(report.cell(Peer::Ring, test, Placement::Far).is_none());
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        let report = report(&[
            (Peer::Ring, 64, 0, 4.0, false),
            (Peer::Ideal, 64, 0, 4.0, false),
            (Peer::Ring, 64, 1, 60.0, false),
            (Peer::Ideal, 64, 1, 40.0, false),
            (Peer::Ring, 64, 2, 6.0, false),
            (Peer::Ideal, 64, 2, 1.0, true),
        ]);
        let test = Test::OneWay { length: 64 };
        assert_eq!(report.ratio(Peer::Ring, Peer::Ideal, test, Placement::Near), Some(1.25));
        assert_eq!(report.ratio(Peer::Ring, Peer::Pipe, test, Placement::Near), None);
    }
}
