//! The daemon: there, of this version, and what it says of its regions.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{A, B, Bench};
use crate::checks::Checks;
use crate::fake_guest::FakeGuest;
use crate::running::{Daemon, LIMIT};

const ON_DAEMON: [&str; 3] = ["served", "refusals", "waiting-profile"];

#[test]
fn a_daemon_that_does_not_answer_is_told() {
    let bench = Bench::new();
    let checks = bench.doctor(&["--region", bench.place.region()]);
    checks
        .assert("daemon", "failed", "nobody listens here", "systemctl start ivringd")
        .assert_first("daemon");
    checks.assert_because(&ON_DAEMON, "daemon");

    // One that runs, with another socket.
    let daemon = Daemon::start(&bench.place);
    let other = bench.path("other.sock");
    let checks = Checks::of(&mut bench.command_to(&other, &["--region", bench.place.region()]));
    let says = format!("but process {} serves the region", daemon.pid());
    checks.assert("daemon", "failed", &says, "ivring doctor --socket PATH");
    checks.assert("host-heartbeat", "ok", "moves", "");
}

#[test]
fn who_may_not_ask_is_told() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become another user");
        return;
    }
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let program = bench.place.copy_of(env!("CARGO_BIN_EXE_ivring"));
    fs::set_permissions(bench.place.directory(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(bench.place.region_path(), Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(program);
    command.args(["doctor", "--region", bench.place.region(), "--socket"]).arg(bench.place.socket());
    let checks = Checks::of(command.env("PATH", "/nowhere").uid(65534).gid(65534));
    checks.assert("daemon", "unknown", "no permission", "sudo ivring doctor");
    checks.assert("region", "unknown", "no permission to open", "sudo ivring doctor").assert_none_failed();
    checks.assert_because(&["superblock", "versions", "host-heartbeat", "channels"], "region");
}

#[test]
fn a_region_that_is_not_served_is_told() {
    let bench = Bench::new();
    let other = bench.path("other");
    let daemon = Daemon::start_with(
        &bench.place,
        &["--region", bench.place.region(), "--size", "1M", "--region", other.to_str().unwrap()],
    );
    let checks = bench.doctor(&[]);
    checks.assert("served", "ok", "2 regions, none is lost", "").assert_none_failed();
    fs::remove_file(&other).unwrap();
    let deadline = Instant::now() + LIMIT;
    while daemon.json(&["ls"])["not_served"].is_null() {
        assert!(Instant::now() < deadline, "the region is not lost");
        thread::sleep(Duration::from_millis(20));
    }
    let checks = bench.doctor(&[]);
    checks
        .assert("served", "failed", "region other is not served: ", "docs/operating.md")
        .assert_first("served");
    checks.assert("region", "ok", bench.place.region(), "");
}

#[test]
fn who_was_refused_is_told() {
    let bench = Bench::new();
    let place = &bench.place;
    let _daemon = Daemon::start_with(place, &["--region", place.region(), "--size", "1M", "--channels", "1"]);
    let _one = FakeGuest::attached(&place.region_path(), A, "web1");
    bench.doctor(&[]).assert("refusals", "ok", "no guest was refused", "");
    let two = FakeGuest::join(&place.region_path(), B, "web2");
    two.refusal();
    let checks = bench.doctor(&[]);
    checks
        .assert("refusals", "failed", "all 1 channels are taken", "ivring evict UUID")
        .assert_first("refusals");
    checks.assert("channels", "pending", "0 of 1 channels are free", "ivring evict UUID");
    bench.doctor_of(B).assert("session", "failed", "refused: web2", "ivring evict UUID");
}

/// Answers `status` and `list` once each, in frames as docs/control.md has them.
fn answers(bench: &Bench, version: &str, profile: &str) -> Checks {
    let regions = json!([{ "region": bench.place.region(), "path": bench.place.region_path(), "size": 1 << 20,
        "channels": 4, "guests": 0, "faults": 0, "refused": 0 }]);
    let control = json!({ "clients": 0, "listeners": 0, "turned_away": 0, "events_lost": 0, "too_slow": 0 });
    let status = json!({ "id": 1, "ok": true, "version": version, "pid": 7, "uptime_ms": 1000, "profile": profile,
        "unheard": 0, "regions": regions, "control": control });
    let list = json!({ "id": 2, "ok": true, "guests": [] });
    let listener = UnixListener::bind(bench.place.socket()).unwrap();
    let checks = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut client, _) = listener.accept().unwrap();
            for answer in [&status, &list] {
                let mut lengths = [0; 8];
                // One that has enough after the first answer closes.
                if client.read_exact(&mut lengths).is_err() {
                    return;
                }
                let length = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]);
                client.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).unwrap();
                client.write_all(&frame(answer)).unwrap();
            }
            let _ = client.read(&mut [0]);
        });
        bench.doctor(&["--region", bench.place.region()])
    });
    fs::remove_file(bench.place.socket()).unwrap();
    checks
}

fn frame(answer: &Value) -> Vec<u8> {
    let header = serde_json::to_vec(answer).unwrap();
    let length = u32::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], &[0; 4], &header].concat()
}

#[test]
fn a_daemon_of_another_version_is_told() {
    let bench = Bench::new();
    let checks = answers(&bench, "0.0.1", "turbo");
    checks.assert("daemon", "pending", "ivringd 0.0.1, process 7", "systemctl restart ivringd");
    checks.assert("waiting-profile", "unknown", "turbo is no profile", "install the same version");
    let own = env!("CARGO_PKG_VERSION");
    let checks = answers(&bench, own, "power");
    checks.assert("daemon", "ok", &format!("ivringd {own}"), "").assert(
        "waiting-profile",
        "ok",
        "20.0 ms",
        "",
    );
}
