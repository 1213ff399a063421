//! The comparison in a guest from end to end, without the program that vsock needs: every message arrives, both ways.

use std::process::Command;

use ivring_benches::vm::{End, Report, Transport};
use ivring_lab::tools_or_skip;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ivring-compare");

#[test]
fn a_ring_a_session_and_streams_carry_messages_between_host_and_guest() {
    if tools_or_skip("the comparison in a guest").is_none() {
        return;
    }
    let transports = ["ring", "ring-batched", "link", "serial", "tcp", "two-lines", "alone"];
    let named = transports.iter().flat_map(|name| ["--transport", name]);
    let output = Command::new(PROGRAM)
        .args(["--vm", "--quick", "--rounds", "1", "--json"])
        .args(named)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.measured.rounds, 1);
    assert!(report.absent.is_empty() && report.idle.is_empty());
    for (transport, ways) in [
        (Transport::Ring, 12),
        (Transport::RingBatched, 6),
        (Transport::Link, 12),
        (Transport::Serial, 12),
        (Transport::Tcp, 12),
        (Transport::TwoLines, 2),
        (Transport::Alone, 6),
    ] {
        let samples = report.measured.samples.iter().filter(|sample| sample.peer == transport);
        let mut measured: Vec<_> = samples.map(|sample| sample.test).collect();
        measured.sort_unstable();
        measured.dedup();
        assert_eq!(measured.len(), ways, "{transport:?}");
        assert_eq!(measured.iter().filter(|way| way.clock == End::Guest).count() * 2, ways, "{transport:?}");
    }
}
