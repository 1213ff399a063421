//! What ivring must reach in a guest, and whether a report shows it.

use ivring_proto::wait::Profile;

use super::{
    idle::Idle,
    report::Report,
    transport::Transport,
    way::{End, Way},
};
use crate::{measurement::Test, page::usual_placement, targets::Row};

/// Every target that a report says something about, for the placement of the processors that most samples had.
#[must_use]
pub fn targets(report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for clock in [End::Host, End::Guest] {
        round_trips(report, clock, &mut rows);
        throughput(report, clock, &mut rows);
    }
    for idle in &report.idle {
        waiting(idle, &mut rows);
    }
    if let Some(crowd) = &report.crowd {
        let what = format!("idle, {} guests: daemon, percent of a processor", crowd.guests);
        rows.push(Row { what, measured: crowd.daemon_percent, at_most: 1.0 });
    }
    rows
}

fn waiting(idle: &Idle, rows: &mut Vec<Row>) {
    let profile = &idle.profile;
    // The quickest profile is for a processor of its own.
    if profile != Profile::Latency.name() {
        let what = format!("idle, profile {profile}: agent in the guest, percent of its processor");
        rows.push(Row { what, measured: idle.agent_percent, at_most: 1.0 });
    }
    // One in so few may have met something else that held up the machine.
    if let Some(before_last) = idle.first_us.len().checked_sub(2) {
        let cap = u32::try_from(idle.cap_us).map_or(f64::INFINITY, f64::from);
        let late = idle.oversleep_us[0];
        let what = format!(
            "first message after a silence, profile {profile}: answer to all but one of {} within, us (the stated {cap:.0} of the \
             agent, a sixteenth of that until the daemon looks, and {late:.0} that a sleep here is late)",
            idle.first_us.len(),
        );
        // A poller that has waited for so long sleeps for a sixteenth of that, see `Ladder`.
        let at_most = cap + cap / 16.0 + late;
        rows.push(Row { what, measured: idle.first_us[before_last], at_most });
    }
}

fn round_trips(report: &Report, clock: End, rows: &mut Vec<Row>) {
    let way = Way { test: Test::RoundTrip { length: 64 }, clock };
    let at = usual_placement(&report.measured);
    if let Some(measured) = report.measured.ratio(Transport::Ring, Transport::TwoLines, way, at) {
        let what = format!("{}, 64 bytes: {} beside two raw lines", way.label(), Transport::Ring.label());
        rows.push(Row { what, measured, at_most: 1.4 });
    }
    for (own, times) in [(Transport::Ring, 60.0), (Transport::Link, 30.0)] {
        beside_the_best(report, own, way, 1.0 / times, rows);
    }
}

fn throughput(report: &Report, clock: End, rows: &mut Vec<Row>) {
    let way = Way { test: Test::OneWay { length: 1024 }, clock };
    for own in [Transport::RingBatched, Transport::Link] {
        beside_the_best(report, own, way, 0.1, rows);
    }
}

/// Beside whichever of the others is nearest to it.
fn beside_the_best(report: &Report, own: Transport, way: Way, at_most: f64, rows: &mut Vec<Row>) {
    let at = usual_placement(&report.measured);
    let ratio = |peer: Transport| Some((report.measured.ratio(own, peer, way, at)?, peer));
    let nearest = Transport::peers().filter_map(ratio).max_by(|one, other| one.0.total_cmp(&other.0));
    if let Some((measured, peer)) = nearest {
        let (way, length) = (way.label(), way.test.length());
        let what =
            format!("{way}, {length} bytes: {} beside {}, the best of the others", own.label(), peer.label());
        rows.push(Row { what, measured, at_most });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::report::tests::report;

    #[test]
    fn ivring_is_beside_the_best_of_the_others() {
        let way = Way { test: Test::OneWay { length: 1024 }, clock: End::Host };
        let report = report(&[
            (Transport::RingBatched, way, 0, 100.0),
            (Transport::Serial, way, 0, 10_000.0),
            (Transport::TcpGathered, way, 0, 500.0),
        ]);
        let rows = targets(&report);
        let ring = rows.iter().find(|row| row.what.contains("guest to host")).unwrap();
        assert!(ring.what.contains("TCP, 64 KiB at a time"), "{ring:?}");
        assert_eq!((ring.measured, ring.holds()), (0.2, false));
    }

    #[test]
    fn what_waiting_costs_is_judged() {
        let rows = targets(&report(&[]));
        let held: Vec<bool> = rows.iter().map(Row::holds).collect();
        assert_eq!(held, [true, true, true], "{rows:#?}");
        let mut late = report(&[]);
        late.idle[0].first_us = vec![1000.0, 4320.0, 5000.0];
        assert!(!targets(&late)[1].holds(), "two of three took longer than 4000, 250 and 60 us");
    }
}
