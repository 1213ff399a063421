//! Command lines and regions that the agent does not run with: `--once`, bad input, what is in use.

use std::os::unix::fs::FileExt;

use ivring_proto::layout::{SuperblockError, superblock_word};
use ivring_proto::memory::Memory;

use crate::agent::{Agent, Place, attached, stderr};
use crate::files::FakeMachine;
use crate::host::{Heard, Host, MIB, close_region, format, make_file, map};

/// Runs the agent with `--once`, which must end by itself with `code` and say `text`.
fn once(place: &Place, code: i32, text: &str) {
    let output = place.run(1, &["--once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    assert!(stderr(&output).contains(text), "'{text}' is not in: {}", stderr(&output));
    assert!(!place.socket().exists(), "the socket is left behind");
}

#[test]
fn once_ends_when_there_is_no_region() {
    let place = Place::new();
    once(&place, 3, "No such file or directory");
    let file = make_file(&place.region(), 12345);
    once(&place, 4, "region has 12345 bytes, which no region has: a power of two from 1048576");
    file.set_len(MIB).unwrap();
    once(&place, 3, "can't join: the region is not formatted yet");
    file.write_all_at(b"<html>", 0).unwrap();
    file.write_all_at(&[1], 8).unwrap();
    once(&place, 4, "can't join: this is no ivring region: magic 0x00003e6c6d74683c");
}

#[test]
fn once_ends_when_the_region_is_of_another_version_or_size() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 1);
    let memory = map(&place.region());
    let good = memory.load(superblock_word::VERSIONS);
    memory.store(superblock_word::VERSIONS, 9 << 16 | 9 << 48);
    once(&place, 3, "the region speaks ivring 9.0, this program 1.0");
    memory.store(superblock_word::VERSIONS, good);
    memory.store(superblock_word::FEATURES_REQUIRED, 4);
    once(&place, 3, &SuperblockError::Features { bits: 4 }.to_string());
    memory.store(superblock_word::FEATURES_REQUIRED, 0);
    // The file of the region was made larger since.
    std::fs::File::options().write(true).open(place.region()).unwrap().set_len(2 * MIB).unwrap();
    once(&place, 4, "the superblock says 1048576 bytes and the mapping has 2097152");
}

#[test]
fn once_ends_when_the_host_does_not_answer_or_refuses() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 1);
    once(&place, 3, "can't join: the host does not answer");

    let host = Host::start(&place.region());
    let mut other = Agent::start(place.run(2, &[]));
    other.line_with("attached");
    once(&place, 3, "can't join: the host refuses: all 1 channels are taken");
    drop(host);
}

#[test]
fn once_goes_on_after_it_has_joined() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 1);
    let host = Host::start(&place.region());
    let mut agent = Agent::start(place.run(1, &["--once"]));
    agent.line_with("attached");
    close_region(&place.region());
    agent.line_with("waiting: the region is being formatted anew");
    drop(host);
    format(&place.region(), 1);
    let _host = Host::start(&place.region());
    agent.line_with("attached");
}

#[test]
fn what_no_waiting_can_mend_ends_it_at_once() {
    let place = Place::new();
    for (arguments, code, text) in [
        (&["--id", "00000000-0000-0000-0000-000000000000"][..], 4, "names no machine"),
        (&["--name", &"n".repeat(65)], 4, "has 65 bytes, allowed are 1 to 64"),
        (&["--socket", &"s".repeat(200)], 4, "at most 107 bytes"),
        (&["--socket", "/proc/no/such.sock"], 5, "/proc/no: cannot make the directory"),
        (&["--region", "/tmp"], 4, "can't use /tmp: Is a directory"),
    ] {
        let mut command = Place::program();
        command.arg("run").args(arguments);
        if !arguments.contains(&"--region") {
            command.arg("--region").arg(place.region());
        }
        if !arguments.contains(&"--socket") {
            command.arg("--socket").arg(place.socket());
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_machine_without_a_device_is_told_what_to_do() {
    let place = Place::new();
    let machine = FakeMachine::new();
    machine.write("proc/sys/kernel/random/boot_id", "36b05040-ff12-4dcc-b108-967183781a75\n");
    let run = |more: &[&str]| {
        let mut command = place.command(&["run", "--once"]);
        command.arg("--root").arg(machine.root()).args(more).output().unwrap()
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("has no UUID of its own"), "{}", stderr(&output));
    machine.write("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n");
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("`ivring-vm-config`"), "{}", stderr(&output));
    machine.plug("0000:00:02.0", "0x8086", "0x1234");
    let output = run(&["--pci", "00:02.0"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("is 8086:1234, not ivshmem"), "{}", stderr(&output));
}

#[test]
fn a_second_agent_does_not_take_the_firsts_socket() {
    let place = Place::new();
    let (_host, _agent) = attached(&place);
    let output = place.run(1, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("another server answers on this socket"), "{}", stderr(&output));
    assert_eq!(place.status().0, Some(0));
}

#[test]
fn a_newer_program_with_the_same_identity_ends_the_older() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    let mut newer = Place::program();
    newer.arg("run").arg("--region").arg(place.region()).args(["--id", &crate::agent::uuid(1)]);
    newer.arg("--socket").arg(place.path().join("newer.sock"));
    let mut newer = Agent::start(newer);
    assert_eq!(agent.ended().code(), Some(3));
    assert!(agent.seen.iter().any(|line| line.contains("a newer program with this identity")));
    newer.line_with("attached to region 'test', channel 0");
    let resumed = host.wait_for("newcomer", |heard| match heard {
        Heard::Attached { resumed, .. } => Some(*resumed),
        _ => None,
    });
    assert!(resumed);
}
