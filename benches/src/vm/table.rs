//! The tables of a report made in a guest.

use super::{
    idle::Idle,
    report::Report,
    transport::Transport,
    way::{End, LENGTHS, Way},
};
use crate::{
    measurement::Test,
    placement::Placement,
    report::{Cell, Report as Measured},
    statistics::median,
    table::{Table, bytes, shown},
};

/// All tables: for each placement of the two processors, what goes one way and round trips; then what waiting costs.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    let mut tables = Vec::new();
    let measured = &report.measured;
    for placement in [Placement::Near, Placement::Far] {
        if !measured.cells.iter().any(|cell| cell.placement == Some(placement)) {
            continue;
        }
        for clock in [End::Host, End::Guest] {
            tables.push(times(measured, |length| Way { test: Test::RoundTrip { length }, clock }, placement));
        }
        for clock in [End::Host, End::Guest] {
            let way = |length| Way { test: Test::OneWay { length }, clock };
            tables.push(times(measured, way, placement));
            tables.push(throughput(measured, way, placement));
        }
    }
    tables.retain(|table| !table.is_empty());
    if !report.idle.is_empty() {
        tables.push(idle(&report.idle));
    }
    if let Some(crowd) = &report.crowd {
        let columns = vec!["percent".to_owned()];
        let rows = vec![("ivringd, balanced".to_owned(), vec![format!("{:.2}", crowd.daemon_percent)])];
        tables.push(Table::new(format!("{} idle guests", crowd.guests), columns, rows));
    }
    tables
}

/// Nanoseconds a message or a round trip.
fn times(report: &Measured<Transport, Way>, way: impl Fn(usize) -> Way, placement: Placement) -> Table {
    let title = format!("{}, {}: ns", way(0).label(), placement.label());
    of_lengths(report, way, placement, title, |cell, _| shown(report, cell, cell.ns))
}

/// Bytes of payload a second.
fn throughput(report: &Measured<Transport, Way>, way: impl Fn(usize) -> Way, placement: Placement) -> Table {
    let title = format!("{}, {}: MB/s", way(0).label(), placement.label());
    of_lengths(report, way, placement, title, |cell, length| {
        let length = u32::try_from(length).map_or(f64::NAN, f64::from);
        format!("{:.0}", length * 1e3 / cell.ns)
    })
}

fn of_lengths(
    report: &Measured<Transport, Way>,
    way: impl Fn(usize) -> Way,
    placement: Placement,
    title: String,
    text: impl Fn(&Cell<Transport, Way>, usize) -> String,
) -> Table {
    let rows = Transport::all().iter().filter_map(|transport| {
        let cells = LENGTHS.map(|length| Some((report.cell(*transport, way(length), placement)?, length)));
        let texts =
            cells.map(|cell| cell.map_or_else(|| "-".to_owned(), |(cell, length)| text(cell, length)));
        cells.iter().any(Option::is_some).then(|| (transport.label().to_owned(), texts.to_vec()))
    });
    Table::new(title, LENGTHS.map(bytes).to_vec(), rows.collect())
}

fn idle(profiles: &[Idle]) -> Table {
    let columns =
        ["agent %", "turns/s", "sleep %", "daemon %", "first us", "longest us", "stated us", "late us"];
    let rows = profiles.iter().map(|idle| {
        let cells = [
            format!("{:.2}", idle.agent_percent),
            format!("{:.0}", idle.agent_turns),
            format!("{:.2}", idle.sleeper_percent),
            format!("{:.2}", idle.daemon_percent),
            format!("{:.0}", median(&mut idle.first_us.clone()).unwrap_or(f64::NAN)),
            format!("{:.0}", idle.first_us.last().copied().unwrap_or(f64::NAN)),
            idle.cap_us.to_string(),
            format!("{:.0}", idle.oversleep_us[0]),
        ];
        (idle.profile.clone(), cells.to_vec())
    });
    let columns = columns.map(str::to_owned).to_vec();
    Table::new("idle, and the first message".to_owned(), columns, rows.collect())
}
