//! No file, socket or lock of a daemon or a host passes to a program that it starts.

use std::fs;
use std::process::Command;
use std::time::Duration;

use ivring_host::{Host, Options};

use crate::place::Place;
use crate::two::Two;

/// O_CLOEXEC as `/proc/PID/fdinfo` shows it (proc_pid_fdinfo(5)), on every architecture but a few.
const CLOEXEC: u32 = nix::libc::O_CLOEXEC.cast_unsigned();

#[test]
fn every_descriptor_of_the_daemon_closes_on_exec() {
    let two = Two::start();
    // With a client that stays.
    let _client = two.daemon.client();
    two.the_other_works();
    let folder = format!("/proc/{}/fdinfo", two.daemon.pid());
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        // Those of a command that has just ended may be gone by now.
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        let flags = u32::from_str_radix(flags, 8).unwrap();
        let what = fs::read_link(format!("/proc/{}/fd/{number}", two.daemon.pid()));
        // Standard input, output and error are for whoever it starts; and what this test was started with is not its own.
        let inherited = fs::read_link(format!("/proc/self/fd/{number}"))
            .is_ok_and(|ours| what.as_ref().ok() == Some(&ours));
        if number > 2 && !inherited {
            assert!(flags & CLOEXEC != 0, "descriptor {number}, {what:?}, flags {flags:o}");
            seen += 1;
        }
    }
    // Two regions, the socket, a client, signals.
    assert!(seen >= 5, "only {seen} descriptors were looked at");
    two.stopped();
}

#[test]
fn a_child_of_a_host_has_none_of_its_files() {
    let place = Place::new();
    let options = Options { size: Some(1 << 20), ..Options::new(place.region_path().to_str().unwrap()) };
    let before = of_a_child();
    let mut host = Host::open(options).unwrap();
    host.control(&place.socket()).unwrap();
    host.wait(Duration::from_millis(10));
    let after = of_a_child();
    assert_eq!(before.lines().count(), after.lines().count(), "{before}{after}");
    assert!(!after.contains(place.region()), "{after}");
}

/// The descriptors that a child has.
fn of_a_child() -> String {
    let output = Command::new("ls").args(["-l", "/proc/self/fd/"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
