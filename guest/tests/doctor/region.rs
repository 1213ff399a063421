//! The region and the session, with an agent and a host that run.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};

use ivring_proto::layout::{Geometry, Version, control_word, entry_word, status_word, superblock_word};

use crate::agent::{Agent, Place, attached, attached_with, uuid};
use crate::checks::Checks;
use crate::host::{Host, MIB, close_region, format, make_file};

/// On a machine of the place's own: on this one other tests run agents.
fn doctor(place: &Place, more: &[&str]) -> Checks {
    let kernel = place.path().join("proc/sys/kernel/random");
    fs::create_dir_all(&kernel).unwrap();
    fs::write(kernel.join("boot_id"), "36b05040-ff12-4dcc-b108-967183781a75\n").unwrap();
    Checks::of(place.command(&["doctor"]).args(more).arg("--root").arg(place.path()))
}

/// Looks at the place's region, with no agent that answers.
fn doctor_of_file(place: &Place) -> Checks {
    let region = place.region();
    doctor(place, &["--region", region.to_str().unwrap(), "--id", &uuid(1)])
}

fn geometry() -> Geometry {
    Geometry::new(MIB, 3).unwrap()
}

fn store(place: &Place, at: u64, word: u64) {
    let file = File::options().write(true).open(place.region()).unwrap();
    file.write_all_at(&word.to_le_bytes(), at).unwrap();
}

#[test]
fn all_is_well_where_messages_flow() {
    let place = Place::new();
    let (_host, agent) = attached(&place);
    let checks = doctor(&place, &[]);
    assert_eq!(
        checks.names(),
        [
            "region-file",
            "superblock",
            "versions",
            "host-heartbeat",
            "identity",
            "service",
            "one-agent",
            "agent",
            "session",
            "memory-type",
            "rings",
            "waiting-profile"
        ]
    );
    checks
        .assert("region-file", "ok", place.region().to_str().unwrap(), "")
        .assert("superblock", "ok", "ready, generation 1, 3 channels in 1 MiB", "")
        .assert("versions", "ok", "the session 1.1", "")
        .assert("host-heartbeat", "ok", "moves: a beat came after", "")
        .assert("identity", "ok", &uuid(1), "")
        .assert("agent", "ok", &format!("process {}", agent.pid()), "")
        .assert("session", "ok", "attached to region test, channel 0", "")
        .assert("memory-type", "ok", "write-back, a file", "")
        .assert("rings", "ok", "0 B of", "")
        .assert("waiting-profile", "ok", "balanced: a message waits 4.0 ms at most", "")
        .assert_none_failed();

    let text = place.ask(&["doctor"]);
    let text = crate::agent::stdout(&text).to_owned();
    let line = text.lines().find(|line| line.contains(" session  ")).unwrap();
    assert_eq!(line, "OK      session           attached to region test, channel 0");
    assert!(!text.contains('\u{1b}'), "colour off a terminal");
}

#[test]
fn a_file_that_is_no_region_is_told() {
    let place = Place::new();
    let path = place.region();
    let checks = doctor_of_file(&place);
    checks.assert("region-file", "failed", "No such file", "ls -l").assert_first("region-file");
    checks.assert_because(&["superblock", "versions", "host-heartbeat"], "region-file");
    symlink("/dev/zero", &path).unwrap();
    doctor_of_file(&place).assert("region-file", "failed", "is a symbolic link", "ls -l");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "short").unwrap();
    doctor_of_file(&place).assert("region-file", "failed", "has 5 bytes, which no region has", "ls -l");
}

#[test]
fn each_superblock_that_cannot_be_used_is_told() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    let check = |says: &str, next: &str| {
        doctor_of_file(&place).assert("superblock", "failed", says, next).assert_first("superblock");
    };
    check("not formatted yet", "on the host: systemctl start ivringd");
    format(&place.region(), 3);
    for (at, word, says, next) in [
        (
            superblock_word::MAGIC,
            7,
            "no ivring region: magic 0x0000000000000007",
            "belongs to another program",
        ),
        (superblock_word::STATE, 1, "is being formatted", "systemctl restart ivringd"),
        (superblock_word::STATE, 77, "region state 0x4d", "ivringd --reformat"),
        (superblock_word::VERSIONS, 2 << 16 | 2 << 48, "speaks ivring 2.0", "install the same version"),
        (superblock_word::FEATURES_REQUIRED, 8, "requires features 0x8", "install the same version"),
        (superblock_word::RINGS, 8, "geometry is impossible", "ivringd --reformat"),
    ] {
        let mut before = [0; 8];
        File::open(place.region()).unwrap().read_exact_at(&mut before, at).unwrap();
        store(&place, at, word);
        check(says, next);
        store(&place, at, u64::from_le_bytes(before));
    }
    close_region(&place.region());
    let checks = doctor_of_file(&place);
    checks.assert("superblock", "pending", "about to be formatted anew", "journalctl -u ivringd");
}

#[test]
fn a_host_that_is_stopped_or_has_left_is_told() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let pause = host.pause();
    let checks = doctor(&place, &[]);
    let next = "on the host: systemctl restart ivringd";
    checks
        .assert("host-heartbeat", "failed", "has stood still for 2.5 s", next)
        .assert_first("host-heartbeat");
    store(&place, geometry().status() + status_word::EPOCH, 0);
    let checks = doctor(&place, &[]);
    checks.assert("host-heartbeat", "failed", "the host has left", "on the host: systemctl start ivringd");
    drop(pause);
}

#[test]
fn what_cannot_be_right_in_the_channel_is_told() {
    let place = Place::new();
    let (_host, _agent) = attached_with(&place, &["--memory-type", "uncached", "--profile", "latency"]);
    let channel = geometry().channel(0).unwrap();
    store(&place, channel.to_guest.producer + control_word::HINT, 1 << 40);
    store(&place, channel.entry + entry_word::VERSION, u64::from(Version { major: 1, minor: 0 }.to_bits()));
    let checks = doctor(&place, &[]);
    checks
        .assert(
            "rings",
            "failed",
            "the ring to the guest cannot be right",
            &format!("ivring doctor {}", uuid(1)),
        )
        .assert("versions", "pending", "the session 1.0", "install the same version")
        .assert("memory-type", "pending", "uncached", "leave --memory-type at auto")
        .assert("waiting-profile", "ok", "latency: it spins", "")
        .assert_first("rings");
}

#[test]
fn an_agent_that_waits_says_for_what() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    let mut agent = place.start();
    agent.line_with("waiting: the region is not formatted yet");
    let checks = doctor(&place, &[]);
    let next = format!("on the host: ivring doctor {}", uuid(1));
    checks.assert("session", "failed", "the agent waits: the region is not formatted yet", &next);
    checks.assert_because(&["memory-type", "rings", "waiting-profile"], "session").assert_first("superblock");
}

#[test]
fn an_identity_that_is_in_use_elsewhere_is_told() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 3);
    let host = Host::start(&place.region());
    // The same identity, with another socket: as another machine, or an agent that somebody started by hand.
    let mut command = Place::program();
    command.args(["run", "--config", "/dev/null", "--id", &uuid(1), "--region"]).arg(place.region());
    let _elsewhere = Agent::start({
        command.arg("--socket").arg(place.path().join("other"));
        command
    });
    host.attached();
    let checks = doctor_of_file(&place);
    checks.assert("agent", "failed", "nobody listens here", "ivring-agent").assert_first("agent");
    checks.assert("session", "failed", "though no agent answers here", "give each VM a UUID of its own");
    checks.assert_because(&["memory-type", "rings", "waiting-profile"], "agent");
}
