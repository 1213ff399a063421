//! What a comparison found: every sample, and the medians of those that belong together.

use serde::{Deserialize, Serialize};

use crate::{
    measurement::{Sample, Test},
    peers::Peer,
    placement::Placement,
    statistics::median,
    system::System,
    worker::Figure,
};

/// The whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The machine.
    pub system: System,
    /// How many rounds were measured.
    pub rounds: usize,
    /// How long each measurement took, in milliseconds, without its warm-up.
    pub measured_ms: u64,
    /// How many measurements were repeated, because of other processes or because the cores moved.
    pub repeated: usize,
    /// Medians, a cell of the tables each.
    pub cells: Vec<Cell>,
    /// Every measurement, those that were repeated included.
    pub samples: Vec<Sample>,
}

/// The median of one peer's samples in one test and placement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Who was measured.
    pub peer: Peer,
    /// What was measured.
    pub test: Test,
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

impl Report {
    /// Puts samples together.
    pub(crate) fn new(
        system: System,
        rounds: usize,
        measured_ms: u64,
        repeated: usize,
        samples: Vec<Sample>,
    ) -> Self {
        Self { system, rounds, measured_ms, repeated, cells: cells(&samples), samples }
    }

    /// The cell of a peer in a test, for cores at `placement`.
    #[must_use]
    pub fn cell(&self, peer: Peer, test: Test, placement: Placement) -> Option<&Cell> {
        self.cells.iter().find(|cell| {
            (cell.peer, cell.test) == (peer, test) && cell.placement.is_none_or(|is| is == placement)
        })
    }
}

fn cells(samples: &[Sample]) -> Vec<Cell> {
    let mut keys: Vec<_> = samples
        .iter()
        .filter(|sample| sample.placement != Some(Placement::Moved))
        .map(|sample| (sample.peer, sample.test, sample.placement))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter_map(|key| {
            let of_key = |sample: &&Sample| (sample.peer, sample.test, sample.placement) == key;
            let all: Vec<&Sample> = samples.iter().filter(of_key).collect();
            let good: Vec<&Sample> = all.iter().copied().filter(|sample| !sample.disturbed).collect();
            cell(key, if good.is_empty() { &all } else { &good }, good.is_empty())
        })
        .collect()
}

fn cell(
    (peer, test, placement): (Peer, Test, Option<Placement>),
    samples: &[&Sample],
    disturbed: bool,
) -> Option<Cell> {
    let middle = |number: fn(&Figure) -> Option<f64>| {
        let mut values: Vec<f64> = samples.iter().filter_map(|sample| number(&sample.figure)).collect();
        median(&mut values)
    };
    let trips = |figure: &Figure| match figure {
        Figure::OneWay { ns, .. } => Some(*ns),
        Figure::RoundTrip(times) => Some(times.usual_ns),
    };
    let percentiles = [p50, p99, p999].map(middle);
    Some(Cell {
        peer,
        test,
        placement,
        samples: samples.len(),
        disturbed,
        ns: middle(trips)?,
        percentiles_ns: match percentiles {
            [Some(p50), Some(p99), Some(p999)] => Some([p50, p99, p999]),
            _ => None,
        },
    })
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
