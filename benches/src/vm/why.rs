//! What a run says of its own limits, in sentences.

use super::{
    report::Report,
    transport::Transport,
    way::{End, Way},
};
use crate::{measurement::Test, page::usual_placement};

/// A sentence or two for each limit that was measured.
pub(crate) fn why(report: &Report) -> Vec<String> {
    let parts = [64, 1024].into_iter().filter_map(|length| own_parts(report, length));
    parts
        .chain(one_way(report, 1024))
        .chain(link(report, 1024))
        .chain(turns(report))
        .chain(sleeps(report))
        .collect()
}

/// What sets the pace one way.
fn one_way(report: &Report, length: usize) -> Option<String> {
    let at = usual_placement(&report.measured);
    let ns = |transport, test| {
        let way = Way { test, clock: End::Guest };
        report.measured.cell(transport, way, at).map(|cell| cell.ns)
    };
    let ring = ns(Transport::RingBatched, Test::OneWay { length })?;
    let guest = ns(Transport::Alone, Test::RoundTrip { length })?;
    Some(format!(
        "A message of {length} bytes to the guest takes {ring:.0} ns, batched. To push one and to take one out, without another \
         side, takes the guest {guest:.0}: about half of that, to take it out, sets the pace."
    ))
}

/// What the link adds one way.
fn link(report: &Report, length: usize) -> Option<String> {
    let at = usual_placement(&report.measured);
    let ns = |transport, clock| {
        let way = Way { test: Test::OneWay { length }, clock };
        report.measured.cell(transport, way, at).map(|cell| cell.ns)
    };
    let [to_host, to_guest] = [End::Host, End::Guest];
    let (host_ring, host_link) = (ns(Transport::RingBatched, to_host)?, ns(Transport::Link, to_host)?);
    let (guest_ring, guest_link) = (ns(Transport::RingBatched, to_guest)?, ns(Transport::Link, to_guest)?);
    Some(format!(
        "The link's envelope, topic and checks add {:.0} ns to a message of {length} bytes to the host, and {:.0} to one to the guest: \
         instructions that the guest runs under {}.",
        host_link - host_ring,
        guest_link - guest_ring,
        report.guest.accelerator
    ))
}

/// The instructions of the ring, on either side.
fn own_parts(report: &Report, length: usize) -> Option<String> {
    let at = usual_placement(&report.measured);
    let ns = |transport, clock, length| {
        let way = Way { test: Test::RoundTrip { length }, clock };
        report.measured.cell(transport, way, at).map(|cell| cell.ns)
    };
    let ring = ns(Transport::Ring, End::Host, length)?;
    let lines = ns(Transport::TwoLines, End::Host, 64)?;
    let host = ns(Transport::Alone, End::Host, length)?;
    let guest = ns(Transport::Alone, End::Guest, length)?;
    Some(format!(
        "A round trip of {length} bytes takes {ring:.0} ns. The raw lines take {lines:.0} of it, the ring's own instructions {host:.0} on \
         the host and {guest:.0} in the guest, {:.1} times as long under {}; the rest is lines of payload.",
        guest / host,
        report.guest.accelerator
    ))
}

/// What the agent's processor time is spent for.
fn turns(report: &Report) -> impl Iterator<Item = String> {
    report.idle.iter().filter(|idle| idle.agent_turns > 0.0).map(|idle| {
        format!(
            "Profile {}: the agent wakes {:.0} times a second, and each time takes the guest {:.0} us of its processor. A program \
             that only sleeps so long again and again takes {:.0} us each time, {:.2} % of the processor.",
            idle.profile,
            idle.agent_turns,
            idle.agent_percent * 1e4 / idle.agent_turns,
            idle.sleeper_percent * 1e4 / idle.sleeper_turns,
            idle.sleeper_percent
        )
    })
}

/// How exact the guest's sleeps are.
fn sleeps(report: &Report) -> impl Iterator<Item = String> {
    report.idle.iter().map(|idle| {
        let [usual, longest] = idle.oversleep_us;
        format!(
            "Profile {}: a sleep of {} us ends {usual:.0} us late in this guest, the worst of many {longest:.0} us.",
            idle.profile, idle.cap_us
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::report::tests::report;

    #[test]
    fn only_what_was_measured_is_said() {
        let said = why(&report(&[]));
        assert_eq!(said.len(), 2, "{said:?}");
        // Half a percent of a second in 250 turns.
        assert!(said[0].contains(
            "wakes 250 times a second, and each time takes the guest 20 us of its processor. A program"
        ));
        assert!(said[0].ends_with("takes 15 us each time, 0.30 % of the processor."), "{said:?}");
        let way = |clock| Way { test: Test::RoundTrip { length: 64 }, clock };
        let mut whole = report(&[
            (Transport::Ring, way(End::Host), 0, 700.0),
            (Transport::TwoLines, way(End::Host), 0, 200.0),
            (Transport::Alone, way(End::Host), 0, 20.0),
            (Transport::Alone, way(End::Guest), 0, 300.0),
        ]);
        whole.idle.clear();
        let said = why(&whole);
        assert!(
            said[0].contains("20 on the host and 300 in the guest, 15.0 times as long under TCG"),
            "{said:?}"
        );
    }
}
