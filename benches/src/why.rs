//! What a run says of the machine's own limits, in sentences.

use crate::{measurement::Test, page::usual_placement, peers::Peer, report::Report};

/// A sentence or two for each limit that was measured.
pub(crate) fn why(report: &Report) -> Vec<String> {
    [blocks(report), survival(report), lines(report)].into_iter().flatten().collect()
}

/// What no ring of this size can pass.
fn blocks(report: &Report) -> Option<String> {
    let [blocks, chunks, ring] = one_way(report, 1024, [Peer::Blocks, Peer::RtrbChunks, Peer::RingBatched])?;
    Some(format!(
        "Bytes that are handed from core to core in blocks of 32 KiB, with nothing between the messages, take {blocks:.0} ns for \
         1 KiB; rtrb's chunks take {chunks:.0} one by one, 1.4 times as fast would be {:.0}, and ivring takes {ring:.0}. What is \
         left above the blocks is all that a ring can still gain here, whoever publishes how many at once.",
        chunks / 1.4
    ))
}

/// What checks and recovery cost.
fn survival(report: &Report) -> Option<String> {
    let [ideal, hand, twin, ring] = one_way(
        report,
        256,
        [Peer::IdealBatched, Peer::RtrbChunksBatched, Peer::TwinBatched, Peer::RingBatched],
    )?;
    Some(format!(
        "256 bytes, batched: the ideal ring, which checks nothing and whose sides may not die, takes {ideal:.1} ns, rtrb's chunks by \
         hand, which do not check either, {hand:.1}, the twin with ivring's checks {twin:.1}, and ivring {ring:.1}. What it has on top is that \
         each record is noted before it is handed over, so that nothing is lost or repeated unmarked when a side is killed."
    ))
}

/// What a full line costs beyond a number.
fn lines(report: &Report) -> Option<String> {
    let at = usual_placement(report);
    let ns = |peer| report.cell(peer, Test::RoundTrip { length: 56 }, at).map(|cell| cell.ns);
    let (lines, full, ring) = (ns(Peer::TwoLines)?, ns(Peer::FullLines)?, ns(Peer::Ring)?);
    Some(format!(
        "A number to and fro, a line a direction, takes {lines:.0} ns, the same lines with 56 bytes in them {full:.0}, and ivring's ring \
         {ring:.0}."
    ))
}

fn one_way<const N: usize>(report: &Report, length: usize, peers: [Peer; N]) -> Option<[f64; N]> {
    let at = usual_placement(report);
    let mut all = [0.0; N];
    for (ns, peer) in all.iter_mut().zip(peers) {
        *ns = report.cell(peer, Test::OneWay { length }, at)?.ns;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn only_what_was_measured_is_said() {
        assert!(why(&report(&[])).is_empty());
        let said = why(&report(&[
            (Peer::Blocks, 1024, 0, 50.0, false),
            (Peer::RtrbChunks, 1024, 0, 70.0, false),
            (Peer::RingBatched, 1024, 0, 55.0, false),
            (Peer::RingBatched, 256, 0, 20.0, false),
        ]));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(
            "take 50 ns for 1 KiB; rtrb's chunks take 70 one by one, 1.4 times as fast would be 50"
        ));
    }
}
