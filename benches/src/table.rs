//! The tables of a report, as text for a terminal or for docs/.

use crate::{
    measurement::Test,
    peers::Peer,
    placement::Placement,
    report::{Cell, Report},
    schedule::{ONE_WAY, ROUND_TRIP},
};

/// What the marks in the cells mean.
pub(crate) const NOTE: &str = "* only disturbed by other processes   (n) median of fewer samples than rounds";

/// Numbers of some peers in some columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// A table of rows that have as many cells as there are columns.
    pub(crate) fn new(title: String, columns: Vec<String>, rows: Vec<(String, Vec<String>)>) -> Self {
        Self { title, columns, rows }
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let line = |first: &str, rest: &[String]| {
            let rest: String = rest.iter().map(|cell| format!("{cell:>12}")).collect();
            format!("{first:<36}{rest}\n")
        };
        let rows: String = self.rows.iter().map(|(peer, cells)| line(peer, cells)).collect();
        line(&self.title, &self.columns) + &rows
    }

    /// For a page.
    pub(crate) fn markdown(&self) -> String {
        let line = |first: &str, rest: &[String]| format!("| {first} | {} |\n", rest.join(" | "));
        let rule = vec!["---:".to_owned(); self.columns.len()];
        let cells = |cells: &[String]| cells.iter().map(|cell| cell.replace('*', "\\*")).collect::<Vec<_>>();
        let rows: String = self.rows.iter().map(|(peer, row)| line(peer, &cells(row))).collect();
        line(&self.title, &self.columns) + &line("---", &rule) + &rows
    }
}

/// All tables of a report: for each placement of the cores, what goes one way, and round trips.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    let mut tables = Vec::new();
    for placement in [Placement::Near, Placement::Far] {
        if report.cells.iter().any(|cell| cell.placement == Some(placement)) {
            tables.push(one_way(report, placement));
            tables.extend(ROUND_TRIP.map(|length| round_trip(report, length, placement)));
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}

fn one_way(report: &Report, placement: Placement) -> Table {
    let rows = Peer::all().iter().filter_map(|peer| {
        let cells = ONE_WAY.map(|length| report.cell(*peer, Test::OneWay { length }, placement));
        let numbers =
            cells.map(|cell| cell.map_or_else(|| "-".to_owned(), |cell| shown(report, cell, cell.ns)));
        cells.iter().any(Option::is_some).then(|| (peer.label().to_owned(), numbers.to_vec()))
    });
    Table {
        title: format!("one way, {}: ns a message", placement.label()),
        columns: ONE_WAY.map(bytes).to_vec(),
        rows: rows.collect(),
    }
}

fn round_trip(report: &Report, length: usize, placement: Placement) -> Table {
    let rows = Peer::all().iter().filter_map(|peer| {
        let cell = report.cell(*peer, Test::RoundTrip { length }, placement)?;
        let [p50, p99, p999] = cell.percentiles_ns?;
        let numbers = [cell.ns, p50, p99, p999].map(|ns| shown(report, cell, ns));
        Some((peer.label().to_owned(), numbers.to_vec()))
    });
    Table {
        title: format!("round trip of {}, {}: ns", bytes(length), placement.label()),
        columns: ["usual", "p50", "p99", "p99.9"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// A number with its marks.
pub(crate) fn shown<P, T>(report: &Report<P, T>, cell: &Cell<P, T>, ns: f64) -> String {
    let digits = usize::from(ns < 9.95);
    let few = if cell.samples < report.rounds { format!(" ({})", cell.samples) } else { String::new() };
    format!("{}{ns:.digits$}{few}", if cell.disturbed { "*" } else { "" })
}

/// A length in bytes, as people write it.
pub(crate) fn bytes(length: usize) -> String {
    if length < 1024 { format!("{length} B") } else { format!("{} KiB", length / 1024) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    fn small() -> Report {
        let three = |ns: [f64; 3]| [0, 1, 2].map(|round| (Peer::Ring, 64, round, ns[round], false));
        let mut samples = three([3.7, 3.8, 40.0]).to_vec();
        samples.push((Peer::Pipe, 1024, 0, 426.6, true));
        report(&samples)
    }

    #[test]
    fn for_a_terminal() {
        let tables = all(&small());
        assert_eq!(tables.len(), 1);
        let lines: Vec<String> = tables[0]
            .text()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "one way, near: ns a message 8 B 64 B 256 B 1 KiB 4 KiB 64 KiB",
                "ivring, each message - 3.8 - - - -",
                "pipe, polled - - - *427 (1) - -",
            ]
        );
    }

    #[test]
    fn for_a_page() {
        let page = all(&small())[0].markdown();
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines[1], "| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
        assert_eq!(lines[3], "| pipe, polled | - | - | - | \\*427 (1) | - | - |");
    }

    #[test]
    fn lengths() {
        assert_eq!([8, 56, 1024, 65536].map(bytes), ["8 B", "56 B", "1 KiB", "64 KiB"]);
    }
}
