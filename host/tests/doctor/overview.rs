//! The host as a whole: a line for each guest and domain.

use std::fs::File;

use serde_json::json;

use crate::bench::{A, B, Bench, Qemu, domain, own_uuid};
use crate::fake_guest::FakeGuest;
use crate::running::Daemon;

#[test]
fn guests_and_domains_have_a_line_each() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let _guest = FakeGuest::attached(&bench.place.region_path(), A, "web1");
    // What has a channel needs no line as a domain.
    bench.answers("status", &json!([domain("web1", A, "ok"), domain("db1", B, "ok")]), 0);
    let checks = bench.doctor(&[]);
    let names = checks.names();
    assert_eq!(names.iter().filter(|name| **name == "domain").count(), 1, "{names:?}");
    checks.assert("guest", "ok", &format!("web1 ({A}) in {}: attached, channel 0", bench.place.region()), "");
    checks.assert("domain", "ok", "db1 has the device, and is off", "").assert_none_failed();
    for (state, verdict, says, next) in [
        ("missing", "pending", "db1 has no device for", "ivring-vm-config apply db1"),
        ("pending", "pending", "does not run with it yet", "ivring doctor db1"),
        ("refused", "pending", "db1 cannot have it", "ivring doctor db1"),
        ("differs", "failed", "db1 differs", "ivring doctor db1"),
    ] {
        bench.answers("status", &json!([domain("db1", B, state)]), 1);
        bench.doctor(&[]).assert("domain", verdict, says, next);
    }
}

#[test]
fn a_vm_that_runs_with_the_device_and_has_no_channel_is_told() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.place);
    let uuid = own_uuid(2);
    bench.answers("status", &json!([domain("db1", &uuid, "ok")]), 0);
    let _qemu = Qemu::of(&uuid);
    // Its command line is there once it has become that program.
    let checks = loop {
        let checks = bench.doctor(&["--region", bench.place.region()]);
        if checks.verdict("domain") != "ok" {
            break checks;
        }
    };
    let next = "ivring doctor db1; in the guest: ivring-agent doctor";
    checks.assert("domain", "failed", "db1 runs with the device, and its agent has no channel", next);
    checks.assert_first("domain");
    daemon.stopped();
    let checks = bench.doctor(&["--region", bench.place.region()]);
    checks.assert_because(&["domain"], "daemon").assert_first("daemon");
}

#[test]
fn regions_of_one_vm_each_are_asked_for_as_such() {
    let bench = Bench::new();
    let path = bench.place.region_path_of(A);
    File::create_new(&path).unwrap().set_len(1 << 20).unwrap();
    let _daemon = Daemon::start_with(&bench.place, &["--region", &bench.place.pattern()]);
    bench.answers("status", &json!([domain("web1", A, "missing")]), 1);
    let checks = bench.doctor(&[]);
    let next = format!("ivring-vm-config apply web1 --name {} --size 1M --per-domain", bench.place.region());
    checks.assert("domain", "pending", "web1 has no device", &next);
    checks.assert("superblock", "ok", &format!("for VM {A}"), "");
    let calls = bench.calls();
    let options = format!("--name={} --per-domain --size=1048576", bench.place.region());
    assert!(calls.contains(&format!("status --json {options}")), "{calls}");

    // And the one that is asked for is looked for in its own.
    let _guest = FakeGuest::attached(&path, A, "web1");
    let checks = bench.doctor(&[A]);
    checks.assert("session", "ok", &format!("attached in {}-{A}, channel 0", bench.place.region()), "");
    assert!(bench.calls().contains(&format!("status --json {options} -- {A}")), "{}", bench.calls());
}
