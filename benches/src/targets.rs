//! What ivring must reach, and whether a report shows it.

use serde::Serialize;

use crate::{measurement::Test, peers::Peer, placement::Placement, report::Report};

/// Peers that publish each message, by the interface that their users have.
const PER_MESSAGE: [Peer; 7] = [
    Peer::RtrbValues,
    Peer::RtrbChunks,
    Peer::Crossbeam,
    Peer::Iceoryx2,
    Peer::ShmemIpc,
    Peer::UnixSocket,
    Peer::Pipe,
];

/// One target that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What is compared with what.
    pub what: String,
    /// What was measured: a ratio, or nanoseconds.
    pub measured: f64,
    /// What it may be at most.
    pub at_most: f64,
}

impl Row {
    /// Whether the target is reached.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.measured <= self.at_most
    }
}

/// Every target that a report says something about. What was disturbed each time says nothing.
#[must_use]
pub fn targets(report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    near_one_way(report, &mut rows);
    far_one_way(report, &mut rows);
    round_trips(report, &mut rows);
    link(report, &mut rows);
    rows
}

/// A ratio in one test.
fn beside(
    rows: &mut Vec<Row>,
    report: &Report,
    (peer, other): (Peer, Peer),
    test: Test,
    at: Placement,
    most: f64,
) {
    if let Some(measured) = report.ratio(peer, other, test, at) {
        let length = test.length();
        let kind = if matches!(test, Test::OneWay { .. }) { "one way" } else { "round trip" };
        let what =
            format!("{kind}, {length} bytes, {}: {} beside {}", at.label(), peer.label(), other.label());
        rows.push(Row { what, measured, at_most: most });
    }
}

fn near_one_way(report: &Report, rows: &mut Vec<Row>) {
    let mut row = |peer, other, length, most| {
        beside(rows, report, (peer, other), Test::OneWay { length }, Placement::Near, most);
    };
    row(Peer::Ring, Peer::Ideal, 64, 1.05);
    for other in PER_MESSAGE {
        row(Peer::Ring, other, 64, 1.0);
        for length in [256, 1024] {
            row(Peer::RingBatched, other, length, 1.0 / 1.4);
        }
    }
    for length in [256, 1024] {
        row(Peer::RingBatched, Peer::RtrbChunksBatched, length, 1.05);
    }
    let others = PER_MESSAGE.into_iter().chain([Peer::RtrbChunksBatched, Peer::UnixStream]);
    for other in others {
        row(Peer::RingBatched, other, 64 * 1024, 1.05);
    }
}

fn far_one_way(report: &Report, rows: &mut Vec<Row>) {
    for length in [64, 256, 1024, 4096, 65536] {
        let test = Test::OneWay { length };
        beside(rows, report, (Peer::RingBatched, Peer::UnixStream), test, Placement::Far, 1.1);
    }
}

fn round_trips(report: &Report, rows: &mut Vec<Row>) {
    let test = Test::RoundTrip { length: 56 };
    beside(rows, report, (Peer::Ring, Peer::TwoLines), test, Placement::Near, 1.15);
    beside(rows, report, (Peer::Ring, Peer::Iceoryx2), test, Placement::Near, 0.25);
}

fn link(report: &Report, rows: &mut Vec<Row>) {
    let test = Test::OneWay { length: 64 };
    if let Some(cell) = report.cell(Peer::Link, test, Placement::Near).filter(|cell| !cell.disturbed) {
        let what = "one way, 64 bytes, near: ivring link, batched, ns a message".to_owned();
        rows.push(Row { what, measured: cell.ns, at_most: 40.0 });
    }
    let test = Test::OneWay { length: 1024 };
    beside(rows, report, (Peer::Link, Peer::RingBatched), test, Placement::Near, 2.0);
}

/// The rows as text, a line each.
#[must_use]
pub fn verdict(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let mark = if row.holds() { "ok  " } else { "FAIL" };
        format!("{mark} {}: {}, at most {}\n", row.what, amount(row.measured), amount(row.at_most))
    };
    rows.iter().map(line).collect()
}

/// A number with as many digits as tell it from its target.
pub(crate) fn amount(number: f64) -> String {
    let digits = if number < 0.1 { 4 } else { 2 };
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn what_falls_short_is_told() {
        let rows = targets(&report(&[
            (Peer::Ring, 64, 0, 4.0, false),
            (Peer::Ideal, 64, 0, 3.0, false),
            (Peer::RtrbValues, 64, 0, 13.0, false),
            (Peer::Pipe, 64, 0, 1.0, true),
            (Peer::Link, 64, 0, 41.0, false),
        ]));
        let held: Vec<bool> = rows.iter().map(Row::holds).collect();
        assert_eq!(held, [false, true, false], "{rows:#?}");
        assert_eq!(
            verdict(&rows[..1]),
            "FAIL one way, 64 bytes, near: ivring, each message beside ideal ring, each message: 1.33, at most 1.05\n"
        );
    }

    #[test]
    fn nothing_measured_is_no_row() {
        assert!(targets(&report(&[])).is_empty());
    }
}
