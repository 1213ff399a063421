//! What is asked of `ivring-vm-config`, and what becomes of its answers.

use std::fs;

use serde_json::json;

use crate::bench::{A, B, Bench, domain, line};
use crate::fake_guest::FakeGuest;
use crate::running::Daemon;

const ON_DOMAIN: [&str; 2] = ["power-cycle", "managed-save"];

#[test]
fn what_it_says_of_the_host_is_told_as_it_is() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let lines = [line("region-file", "ok"), line("region-mode", "failed"), line("kvm", "pending")];
    bench.answers("host", &json!(lines), 1);
    let checks = bench.doctor(&[]);
    checks
        .assert("region-mode", "failed", "what it says", "type this")
        .assert("kvm", "pending", "what it says", "type this")
        .assert_first("region-mode");
    let region = bench.place.region();
    let calls = bench.calls();
    assert!(calls.contains(&format!("host check --json --name={region} --size=1048576")), "{calls}");
    assert!(calls.contains(&format!("status --json --name={region} --size=1048576")), "{calls}");
}

#[test]
fn a_program_that_is_missing_older_or_broken_is_unknown() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    bench.fails("host", "error: unrecognized subcommand 'host'", 2);
    let checks = bench.doctor(&[]);
    checks.assert("host", "unknown", "is older and does not know that", "install -m 0755");
    checks.assert_none_failed();
    bench.fails("host", "Segmentation fault", 139);
    bench.fails("status", "cannot connect to qemu:///system: is libvirtd running?", 5);
    bench.fails("status-web1", "cannot connect to qemu:///system: is libvirtd running?", 5);
    // As it is when no libvirt answers.
    for answer in ["status.json", "status-web1.json"] {
        fs::write(bench.path(answer), "[]").unwrap();
    }
    let checks = bench.doctor_of("web1");
    checks.assert(
        "guest",
        "failed",
        "ivringd does not know web1, and libvirt was not asked",
        "virsh list --all",
    );
    let checks = bench.doctor(&[]);
    checks.assert("host", "unknown", "Segmentation fault", "virsh list --all");
    checks
        .assert("domain", "unknown", "cannot connect to qemu:///system", "virsh list --all")
        .assert_none_failed();

    fs::remove_file(bench.path("ivring-vm-config")).unwrap();
    let mut command = bench.command(&[]);
    let checks = crate::checks::Checks::of(command.env("PATH", bench.place.directory()));
    for check in ["host", "domain"] {
        checks.assert(check, "unknown", "neither beside this program nor in PATH", "install -m 0755");
    }
    let checks = crate::checks::Checks::of(bench.command(&[A]).env("PATH", bench.place.directory()));
    checks.assert("domain-device", "unknown", "neither beside this program nor in PATH", "install -m 0755");
    checks.assert_because(&ON_DOMAIN, "domain-device");
}

#[test]
fn each_state_of_a_domain_has_its_remedy() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let options = format!("--name {} --size 1M", bench.place.region());
    for (state, says, next) in [
        ("missing", "domain web1 has no device for", format!("ivring-vm-config apply web1 {options}")),
        ("differs", "another device: it has 2M", format!("apply web1 {options} --on-conflict replace")),
        ("refused", "cannot have it: it has 2M", format!("apply web1 {options} --dry-run")),
    ] {
        let mut row = domain("web1", A, state);
        row["error"] = json!({ "code": "differs", "message": "it has 2M", "line": null, "column": null });
        bench.answers("status-web1", &json!([row]), 3);
        let checks = bench.doctor_of("web1");
        checks.assert("guest", "ok", &format!("VM {A}, domain web1"), "");
        checks.assert("domain-device", "failed", says, &next).assert_first("domain-device");
        checks.assert_because(&ON_DOMAIN, "domain-device");
    }
    bench.answers("status-web1", &json!([domain("web1", A, "failed")]), 5);
    bench.doctor_of("web1").assert("domain-device", "unknown", "domain web1 is failed", "virsh dumpxml web1");

    for (waiting, check, says, next) in [
        ("cold-start", "power-cycle", "a reboot is not enough", "virsh shutdown web1, then virsh start web1"),
        (
            "saved-state",
            "managed-save",
            "restores a state without the device",
            "virsh managedsave-remove web1",
        ),
    ] {
        let mut row = domain("web1", A, "pending");
        row["waiting"] = waiting.into();
        bench.answers("status-web1", &json!([row]), 6);
        let checks = bench.doctor_of("web1");
        checks
            .assert("domain-device", "ok", "domain web1 has the device", "")
            .assert(check, "pending", says, next);
    }
}

#[test]
fn a_domain_and_a_guest_are_joined_by_their_uuid() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let _guest = FakeGuest::attached(&bench.place.region_path(), A, "its-own-name");
    bench.answers("status-web1", &json!([domain("web1", A, "ok")]), 0);
    bench.answers(&format!("status-{A}"), &json!([domain("web1", A, "ok")]), 0);
    for name in ["web1", "its-own-name", "6b7c1f2e", A] {
        let checks = bench.doctor_of(name);
        checks.assert("guest", "ok", &format!("VM {A}, domain web1, calls itself its-own-name"), "");
        checks.assert("session", "ok", "attached in", "");
    }
    let checks = bench.doctor_of("nobody");
    checks
        .assert("guest", "failed", "neither libvirt nor ivringd knows nobody", "ivring ls")
        .assert_first("guest");
    assert_eq!(checks.names(), ["guest"]);

    // Another one takes the domain's name: the domain is meant, and that is told.
    let _other = FakeGuest::attached(&bench.place.region_path(), B, "web1");
    let checks = bench.doctor_of("web1");
    let says =
        format!("VM {A}, domain web1, calls itself its-own-name; other guests call themselves so, too: {B}");
    checks.assert("guest", "pending", &says, "a guest's own name proves nothing");
    bench.fails("status-6b7c1f2", "there is no such domain", 4);
    let checks = bench.doctor_of("6b7c1f2");
    checks.assert(
        "guest",
        "failed",
        &format!("several guests are called so: {A}, {B}"),
        "ivring doctor UUID",
    );
}

#[test]
fn a_guest_without_a_domain_and_a_hostile_name_do_no_harm() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let _guest = FakeGuest::attached(&bench.place.region_path(), A, "$(reboot)\u{1b}[2J");
    let checks = bench.doctor_of(A);
    checks.assert(
        "domain-device",
        "unknown",
        "its QEMU is run by other means",
        "ivring-vm-config qemu-args --name",
    );
    let output = bench.command(&["--region", bench.place.region()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("$(reboot)\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    let commands: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with("->")).collect();
    assert!(!commands.iter().any(|line| line.contains("reboot")), "{commands:?}");

    // libvirt takes names that a shell would not.
    bench.answers("status", &json!([domain("web 1; reboot", B, "missing")]), 1);
    let checks = bench.doctor(&["--region", bench.place.region()]);
    checks.assert(
        "domain",
        "pending",
        "web 1; reboot has no device",
        &format!("ivring-vm-config apply {B} --name"),
    );
}
