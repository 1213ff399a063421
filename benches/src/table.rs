//! The tables that people read.

use std::fmt::Write;

use crate::{
    measurement::Test,
    peers::Peer,
    placement::Placement,
    report::{Cell, Report},
    schedule::{ONE_WAY, ROUND_TRIP},
};

const NOTE: &str = "* only disturbed by other processes   (n) median of fewer samples than rounds\n";

/// All tables of a report as text: for each placement of the cores, nanoseconds a message one way, and of round trips.
#[must_use]
pub fn tables(report: &Report) -> String {
    let system = &report.system;
    let mut text = format!(
        "{}, kernel {}{}, processors {} and {} of {}\nmemory {}, commit {}, {} rounds of {} ms\n",
        system.processor,
        system.kernel,
        if system.virtual_machine { " in a virtual machine" } else { "" },
        system.used[0],
        system.used[1],
        system.processors,
        system.memory,
        system.commit.as_deref().unwrap_or("unknown"),
        report.rounds,
        report.measured_ms
    );
    if !system.optimised {
        text += "This is a debug build: its figures mean nothing. Build it with --release.\n";
    }
    for placement in [Placement::Near, Placement::Far] {
        if report.cells.iter().any(|cell| cell.placement == Some(placement)) {
            one_way(&mut text, report, placement);
            round_trip(&mut text, report, placement);
        }
    }
    text + "\n" + NOTE
}

fn one_way(text: &mut String, report: &Report, placement: Placement) {
    heading(text, &format!("one way, {}: ns a message", placement.label()), ONE_WAY.map(bytes));
    for peer in Peer::all() {
        let cells = ONE_WAY.map(|length| report.cell(*peer, Test::OneWay { length }, placement));
        row(text, report, *peer, cells.map(|cell| cell.map(|cell| (cell, cell.ns))));
    }
}

fn round_trip(text: &mut String, report: &Report, placement: Placement) {
    for length in ROUND_TRIP {
        heading(
            text,
            &format!("round trip of {}, {}: ns", bytes(length), placement.label()),
            ["usual", "p50", "p99", "p99.9"].map(str::to_owned),
        );
        for peer in Peer::all() {
            let cell = report.cell(*peer, Test::RoundTrip { length }, placement);
            let numbers = cell.and_then(|cell| {
                let [p50, p99, p999] = cell.percentiles_ns?;
                Some([cell.ns, p50, p99, p999].map(|ns| (cell, ns)))
            });
            if let Some(numbers) = numbers {
                row(text, report, *peer, numbers.map(Some));
            }
        }
    }
}

fn heading<const N: usize>(text: &mut String, title: &str, columns: [String; N]) {
    let columns: String = columns.iter().map(|column| format!("{column:>12}")).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{title:<34}{columns}");
}

/// A row, unless it is empty.
fn row<const N: usize>(text: &mut String, report: &Report, peer: Peer, numbers: [Option<(&Cell, f64)>; N]) {
    if numbers.iter().all(Option::is_none) {
        return;
    }
    let columns: String = numbers
        .iter()
        .map(|number| {
            let shown = number.map_or_else(|| "-".to_owned(), |(cell, ns)| shown(cell, ns, report.rounds));
            format!("{shown:>12}")
        })
        .collect();
    let _ = writeln!(text, "{:<34}{columns}", peer.label());
}

/// A number with its marks.
fn shown(cell: &Cell, ns: f64, rounds: usize) -> String {
    let digits = usize::from(ns < 9.95);
    let few = if cell.samples < rounds { format!(" ({})", cell.samples) } else { String::new() };
    format!("{}{ns:.digits$}{few}", if cell.disturbed { "*" } else { "" })
}

fn bytes(length: usize) -> String {
    if length < 1024 { format!("{length} B") } else { format!("{} KiB", length / 1024) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(samples: usize, disturbed: bool) -> Cell {
        let test = Test::OneWay { length: 64 };
        Cell { peer: Peer::Ring, test, placement: None, samples, disturbed, ns: 0.0, percentiles_ns: None }
    }

    #[test]
    fn numbers_and_marks() {
        assert_eq!(shown(&cell(3, false), 3.77, 3), "3.8");
        assert_eq!(shown(&cell(3, false), 9.96, 3), "10");
        assert_eq!(shown(&cell(3, false), 1279.4, 3), "1279");
        assert_eq!(shown(&cell(1, true), 71.0, 3), "*71 (1)");
    }

    #[test]
    fn lengths() {
        assert_eq!([8, 56, 1024, 65536].map(bytes), ["8 B", "56 B", "1 KiB", "64 KiB"]);
    }
}
