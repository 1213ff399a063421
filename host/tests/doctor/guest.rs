//! One guest, from its QEMU to its answer.

use ivring_proto::layout::VersionRange;
use ivring_proto::layout::{PAGE, Version, cell_word, control_word, entry_word};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::session::{Identity, JoinRequest, Port, Text, Uuid, write_request};

use crate::bench::{A, B, Bench, Qemu, geometry, own_uuid};
use crate::fake_guest::FakeGuest;
use crate::running::Daemon;

#[test]
fn a_guest_that_is_well_is_told_from_end_to_end() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let _guest = FakeGuest::join_port(&bench.place.region_path(), A, "metrics", "web1");
    let checks = loop {
        let checks = bench.doctor_of("web1:metrics");
        if checks.verdict("session") == "ok" {
            break checks;
        }
    };
    assert_eq!(
        checks.names(),
        [
            "guest",
            "domain-device",
            "power-cycle",
            "managed-save",
            "region-file",
            "daemon",
            "served",
            "refusals",
            "waiting-profile",
            "region",
            "superblock",
            "versions",
            "host-heartbeat",
            "qemu-maps",
            "session",
            "guest-heartbeat",
            "memory-type",
            "rings",
            "answer"
        ]
    );
    checks
        .assert("versions", "ok", "the session 1.1", "")
        .assert("qemu-maps", "ok", "it is attached all the same", "")
        .assert("guest-heartbeat", "ok", "moves", "")
        .assert("rings", "ok", "0 B of", "")
        .assert("answer", "ok", "a ping came back after", "")
        // The guest of the test says nothing of it.
        .assert("memory-type", "unknown", "does not say how it has mapped", "update ivring-agent")
        .assert_none_failed();
}

#[test]
fn a_vm_that_does_not_run_or_has_not_the_file_is_told() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.place);
    let uuid = own_uuid(1);
    let checks = bench.doctor_of(&uuid);
    checks.assert("qemu-maps", "pending", "no QEMU with its UUID runs here", &format!("virsh start {uuid}"));
    checks.assert_because(&["session"], "qemu-maps");
    checks.assert_because(&["guest-heartbeat", "memory-type", "rings", "answer"], "session");
    let _qemu = Qemu::of(&uuid);
    // Its command line is there once it has become that program.
    let checks = loop {
        let checks = bench.doctor_of(&uuid);
        if checks.verdict("qemu-maps") != "pending" {
            break checks;
        }
    };
    checks.assert(
        "qemu-maps",
        "failed",
        "it has no device, or another file",
        &format!("virsh shutdown {uuid}"),
    );
    checks.assert_because(&["session"], "qemu-maps").assert_first("qemu-maps");
}

#[test]
fn without_a_daemon_the_session_is_not_looked_at() {
    let bench = Bench::new();
    Daemon::start(&bench.place).stopped();
    let checks = bench.doctor_of(A);
    checks.assert_because(&["session", "guest-heartbeat", "memory-type", "rings", "answer"], "daemon");
    checks.assert_first("daemon");
}

#[test]
fn a_guest_that_is_paused_is_told() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.place);
    let guest = FakeGuest::attached(&bench.place.region_path(), A, "web1");
    let pause = guest.pause();
    daemon.ok(&["send", "web1", "t", "12345"]);
    let checks = bench.doctor_of("web1");
    checks
        .assert("guest-heartbeat", "failed", "has stood still for 2.5 s", &format!("virsh domstate {A}"))
        .assert(
            "rings",
            "pending",
            "32 B of 64 KiB wait to the guest: the guest has taken nothing out",
            "heartbeat",
        )
        .assert("answer", "failed", "did not answer within 2 s", "in the guest: ivring-agent doctor")
        .assert_first("guest-heartbeat");
    daemon.wait_for("silence", |guests| guests[0]["state"] == "stale");
    let checks = bench.doctor_of("web1");
    checks
        .assert("session", "failed", "and silent for", &format!("virsh domstate {A}"))
        .assert_first("session");
    let checks = bench.doctor(&[]);
    checks.assert("guest", "failed", "silent for", &format!("ivring doctor {A}"));
    drop(pause);
}

#[test]
fn a_session_that_is_not_whole_is_told() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.place);
    let memory = {
        let file =
            std::fs::OpenOptions::new().read(true).write(true).open(bench.place.region_path()).unwrap();
        MappedFile::map(&file, 1 << 20).unwrap()
    };
    // One that asks, and takes no channel.
    let request = JoinRequest {
        attempt: 7,
        nonce: 7,
        identity: Identity { uuid: B.parse().unwrap(), port: Port::agent() },
        boot: Uuid::from_u128(7),
        versions: VersionRange::SUPPORTED,
        features_required: 0,
        features_optional: 0,
        name: Text::truncated("web2"),
        second_writer: false,
    };
    write_request(&memory, 2 * PAGE + 3 * cell_word::SIZE, &request);
    daemon.wait_for("the offer", |guests| guests.iter().any(|guest| guest["state"] == "joining"));
    let checks = bench.doctor(&[]);
    checks.assert(
        "guest",
        "pending",
        "a channel is offered, and not taken yet",
        &format!("ivring doctor {B}"),
    );
    assert_eq!(memory.load(geometry().channel(0).unwrap().entry + entry_word::STATE), 1);

    let guest = FakeGuest::attached(&bench.place.region_path(), A, "web1");
    let channel = geometry().channel(1).unwrap();
    bench.store(channel.entry + entry_word::VERSION, u64::from(Version { major: 1, minor: 0 }.to_bits()));
    // As a guest says that it has mapped the region uncached: docs/protocol.md.
    let nonce = memory.load(channel.entry + entry_word::NONCE);
    let caching = channel.guest_control + control_word::SESSION + control_word::CACHING;
    bench.store(caching, nonce ^ 2);
    let checks = bench.doctor_of(A);
    checks.assert("versions", "pending", "the session 1.0", "the same version");
    checks.assert("memory-type", "pending", "uncached: slower than it could be", "ivring-agent status");
    let says = "web1 serves nothing on the topic `ivring.info`";
    checks.assert("answer", "failed", says, "in the guest: ivring-agent doctor");

    // Its head runs away: the host finds that at its next message, and a guest that is paused does not come back.
    let pause = guest.pause();
    bench.store(channel.to_guest.consumer + control_word::HEAD, 1 << 40);
    bench.doctor_of(A).assert("rings", "failed", "", &format!("ivring evict {A}"));
    // Whether it is sent is not the question.
    daemon.ivring(&["send", "web1", "t", "x"]).output().unwrap();
    daemon.wait_for("the fault", |guests| guests.iter().any(|guest| guest["state"] == "closed"));
    let checks = bench.doctor(&[]);
    checks.assert("guest", "failed", "closed: the host found a fault", &format!("ivring doctor {A}"));
    drop(pause);
}
