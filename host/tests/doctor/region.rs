//! The region's file, with and without a daemon.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use ivring_proto::layout::{entry_word, superblock_word};
use nix::sys::signal::Signal;

use crate::bench::{Bench, geometry};
use crate::checks::Checks;
use crate::running::Daemon;

const ON_SUPERBLOCK: [&str; 3] = ["versions", "host-heartbeat", "channels"];

fn doctor(bench: &Bench) -> Checks {
    bench.doctor(&["--region", bench.place.region()])
}

#[test]
fn a_file_that_is_no_region_is_told() {
    let bench = Bench::new();
    let path = bench.place.region_path();
    let check = |says: &str, next: &str| {
        let checks = doctor(&bench);
        checks.assert("region", "failed", says, next).assert_because(&["superblock"], "region");
        checks.assert_because(&ON_SUPERBLOCK, "region");
    };
    check("there is no region", "systemctl start ivringd");
    fs::create_dir(&path).unwrap();
    check("is a directory, not a regular file", "rm /dev/shm/");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    check("has 0 bytes", "systemctl start ivringd");
    fs::write(&path, vec![1; 1 << 20]).unwrap();
    check("magic 0x0101010101010101", "another --region");
}

#[test]
fn a_superblock_that_cannot_be_used_is_told() {
    let bench = Bench::new();
    File::create(bench.place.region_path()).unwrap().set_len(1 << 20).unwrap();
    let check = |says: &str, next: &str| {
        let checks = doctor(&bench);
        checks.assert("superblock", "failed", says, next).assert_because(&ON_SUPERBLOCK, "superblock");
    };
    check("not formatted yet", "systemctl start ivringd");
    Daemon::start(&bench.place).stopped();
    for (at, word, says, next) in [
        (superblock_word::STATE, 77, "region state 0x4d", "ivringd --reformat"),
        (superblock_word::VERSIONS, 2 << 16 | 2 << 48, "speaks ivring 2.0", "the same version"),
        (superblock_word::SIZE, 2 << 20, "the superblock says 2097152 bytes", "ivring-vm-config status"),
        (superblock_word::CHANNELS, 9, "geometry is impossible", "ivringd --reformat"),
    ] {
        let mut before = [0; 8];
        File::open(bench.place.region_path()).unwrap().read_exact_at(&mut before, at).unwrap();
        bench.store(at, word);
        check(says, next);
        bench.store(at, u64::from_le_bytes(before));
    }
    doctor(&bench).assert("superblock", "ok", "ready, generation 1, 4 channels in 1 MiB, for any VM", "");
}

#[test]
fn a_host_that_left_or_was_killed_is_told() {
    let bench = Bench::new();
    Daemon::start(&bench.place).stopped();
    doctor(&bench).assert("host-heartbeat", "failed", "the host has left", "systemctl start ivringd");
    let mut daemon = Daemon::start(&bench.place);
    doctor(&bench).assert("host-heartbeat", "ok", "moves: a beat came", "").assert_none_failed();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let checks = doctor(&bench);
    checks.assert("host-heartbeat", "failed", "has stood still for 2.5 s", "systemctl restart ivringd");
    checks.assert_first("daemon");
}

#[test]
fn channels_that_cannot_be_right_are_told_and_nothing_is_changed() {
    let bench = Bench::new();
    Daemon::start(&bench.place).stopped();
    doctor(&bench).assert("channels", "ok", "4 of 4 channels are free", "");
    bench.store(geometry().channel(1).unwrap().entry + entry_word::STATE, 99);
    let before = fs::read(bench.place.region_path()).unwrap();
    let next = format!("ivring inspect {}", bench.place.region_path().display());
    doctor(&bench).assert("channels", "failed", "channel 1: state 99 is unknown", &next);
    assert!(fs::read(bench.place.region_path()).unwrap() == before, "it has written");
}
