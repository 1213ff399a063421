//! The program from end to end: workers as processes of their own, tables and JSON, and nothing left behind.

use std::{io::Write, process::Command};

use ivring_benches::{Peer, Report};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ivring-compare");

#[test]
fn two_peers_are_measured_in_every_test_they_take() {
    let output = Command::new(PROGRAM)
        .args(["--quick", "--rounds", "1", "--json"])
        .args(["--peer", "ring", "--peer", "rtrb-values", "--peer", "copy-near"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The same from a file; what was disturbed says nothing, so either answer is right.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&output.stdout).unwrap();
    let path = file.path().to_str().unwrap();
    let checked = Command::new(PROGRAM).args(["--check", "--json", "--from", path]).output().unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&checked.stdout).unwrap();
    let all_hold = rows.iter().all(|row| row["measured"].as_f64() <= row["at_most"].as_f64());
    assert_eq!(checked.status.code(), Some(i32::from(rows.is_empty() || !all_hold)));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.rounds, 1);
    assert!(!report.cells.is_empty());
    for (peer, tests) in [(Peer::Ring, 9), (Peer::RtrbValues, 9), (Peer::CopyNear, 6)] {
        let mut measured: Vec<_> =
            report.samples.iter().filter(|sample| sample.peer == peer).map(|sample| sample.test).collect();
        measured.sort_unstable();
        measured.dedup();
        assert_eq!(measured.len(), tests, "{peer:?}");
    }
    assert!(
        report.samples.iter().all(|sample| (sample.peer == Peer::CopyNear) == sample.placement.is_none())
    );
}

#[test]
fn usage_is_told_apart_from_failure() {
    let code = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().unwrap().status.code();
    assert_eq!(code(&["--peer", "nobody"]), Some(2));
    assert_eq!(code(&["--processors", "0"]), Some(2));
    assert_eq!(code(&["--from", "/dev/null"]), Some(4));
    assert_eq!(code(&["--worker", "nonsense"]), Some(5));
    assert_eq!(code(&["--quick", "--peer", "ring", "--processors", "0,999999"]), Some(2));
}
