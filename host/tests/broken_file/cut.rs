//! A region's file that is cut, extended, removed, replaced or closed to others while it is in use.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::Daemon;
use crate::two::{A, Ended, SIZE, Two};
use crate::unprivileged::{daemon, fails, give};

/// Gives the file another size.
fn resize(two: &Two, size: u64) {
    File::options().write(true).open(two.path()).unwrap().set_len(size).unwrap();
}

/// A guest joins the region that was broken, by the file that is there now.
fn is_served_again(two: &Two) -> FakeGuest {
    two.wait_until_served();
    let guest = FakeGuest::attached(&two.path(), A, "web1");
    two.daemon.ok(&["send", "web1", "t", "again"]);
    assert_eq!(guest.message(), ("t".to_owned(), b"again".to_vec(), false));
    two.the_other_works();
    guest
}

#[test]
fn a_file_cut_to_nothing_costs_its_region_only() {
    let two = Two::start();
    resize(&two, 0);
    two.wait_until_lost("had 1048576 bytes and now has 0");
    two.one_is_lost_and_the_other_works();

    // It has its size again, in one hole, as a new one that QEMU made.
    resize(&two, SIZE);
    drop(is_served_again(&two));
    let log = two.stopped();
    assert_eq!(log.matches("had 1048576 bytes and now has 0").count(), 1, "{log}");
}

#[test]
fn a_file_cut_in_the_midst_costs_its_region_only() {
    for left in [SIZE / 2, 4096] {
        let two = Two::start();
        resize(&two, left);
        two.wait_until_lost(&format!("had 1048576 bytes and now has {left}"));
        two.one_is_lost_and_the_other_works();
        resize(&two, SIZE);
        drop(is_served_again(&two));
        two.stopped();
    }
}

#[test]
fn a_file_that_was_extended_is_not_used() {
    let two = Two::start();
    let before = fs::metadata(two.path()).unwrap();
    resize(&two, 2 * SIZE);
    two.wait_until_lost("had 1048576 bytes and now has 2097152");
    two.wait_until_lost("cannot be opened again");
    two.one_is_lost_and_the_other_works();

    // With its size as before the session goes on.
    resize(&two, SIZE);
    two.wait_until_served();
    two.web1.is_heard();
    assert_eq!(fs::metadata(two.path()).unwrap().ino(), before.ino());
    two.daemon.ok(&["send", "web1", "t", "on it goes"]);
    assert_eq!(two.web1.message().1, b"on it goes");
    two.stopped();
}

#[test]
fn a_file_that_was_removed_is_not_made_again_but_awaited() {
    let two = Two::start();
    fs::remove_file(two.path()).unwrap();
    two.wait_until_lost("was removed while in use: the VMs that run still have the old memory");
    two.one_is_lost_and_the_other_works();
    // Longer than between two looks.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!two.path().exists(), "it was made by the daemon");

    // As a VM that starts makes it: empty at first.
    let file = File::create_new(two.path()).unwrap();
    give(&two.path());
    two.one_is_lost_and_the_other_works();
    file.set_len(SIZE).unwrap();
    drop(is_served_again(&two));
    two.stopped();
}

#[test]
fn another_file_in_its_place_is_taken_if_it_can_be() {
    let two = Two::start();
    // A copy of the same bytes is another region: no VM maps it.
    fs::copy(two.path(), two.beside()).unwrap();
    fs::set_permissions(two.beside(), Permissions::from_mode(0o000)).unwrap();
    give(&two.beside());
    fs::rename(two.beside(), two.path()).unwrap();
    two.wait_until_lost("was replaced while in use");
    let reason = two.wait_until_lost("cannot be opened again: no permission to open");
    assert!(reason.contains("mode 0000"), "{reason}");
    two.one_is_lost_and_the_other_works();

    fs::set_permissions(two.path(), Permissions::from_mode(0o660)).unwrap();
    drop(is_served_again(&two));
    let log = two.stopped();
    assert_eq!(log.matches("no permission to open").count(), 1, "told once: {log}");
}

#[test]
fn something_else_in_its_place_is_left_alone() {
    let two = Two::start();
    fs::remove_file(two.path()).unwrap();
    fs::write(two.path(), "a letter").unwrap();
    fs::set_permissions(two.path(), Permissions::from_mode(0o666)).unwrap();
    two.wait_until_lost("cannot be opened again");
    two.one_is_lost_and_the_other_works();
    assert_eq!(fs::read(two.path()).unwrap(), b"a letter");
    two.stopped();
}

#[test]
fn a_region_that_is_closed_to_others_goes_on_and_cannot_be_opened_again() {
    let two = Two::start();
    fs::set_permissions(two.path(), Permissions::from_mode(0o000)).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    two.the_other_works();
    two.daemon.ok(&["send", "web1", "t", "open files stay open"]);
    assert_eq!(two.web1.message().1, b"open files stay open");
    two.web1.drain();
    two.web1.send("log", b"both ways");
    two.web1.is_heard();

    let elsewhere = Place::new();
    let (code, said) = fails(&elsewhere, &["--region", two.path().to_str().unwrap()]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("no permission to open") && said.contains("mode 0000"), "{said}");
    two.stopped();
}

#[test]
fn the_last_region_that_is_cut_ends_the_daemon_as_an_error() {
    ivring_host::guard_mappings().unwrap();
    let place = Place::new();
    let mut running = Daemon::start_command(
        &place,
        daemon(&place, &["--size", "1M", "--channels", "4", "--region", place.region()]),
    );
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    File::options().write(true).open(place.region_path()).unwrap().set_len(0).unwrap();
    assert_eq!(running.wait().code(), Some(5), "an exit code, and no signal");
    let log = running.log();
    assert!(log.contains("now has 0") && log.contains("no region is left to serve"), "{log}");
    guest.wait_for(|seen| matches!(seen, Seen::Event(_)));
}

#[test]
fn regions_that_a_pattern_found_outlive_the_last_named_one() {
    ivring_host::guard_mappings().unwrap();
    let place = Place::new();
    let arguments = ["--size", "1M", "--region", place.region(), "--region", &place.pattern()];
    let running = Daemon::start_command(&place, daemon(&place, &arguments));
    File::create_new(place.region_path_of(A)).unwrap().set_len(SIZE).unwrap();
    give(&place.region_path_of(A));
    let guest = FakeGuest::attached(&place.region_path_of(A), A, "web1");
    fs::remove_file(place.region_path()).unwrap();
    let regions = || running.status()["regions"].as_array().unwrap().len();
    while regions() == 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.ok(&["ping", "web1", "--count", "1"]);

    // And one of those that is cut is served again when it is whole.
    let file = File::options().write(true).open(place.region_path_of(A)).unwrap();
    file.set_len(4096).unwrap();
    drop(guest);
    while regions() == 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    file.set_len(0).unwrap();
    file.set_len(SIZE).unwrap();
    let _guest = FakeGuest::attached(&place.region_path_of(A), A, "web1");
    running.ok(&["ping", "web1", "--count", "1"]);
    running.stopped();
}

#[test]
fn a_file_that_is_cut_while_it_is_inspected_is_an_error() {
    let place = Place::new();
    Daemon::start_command(&place, daemon(&place, &["--size", "1M", "--region", place.region()])).stopped();
    let bytes = fs::read(place.region_path()).unwrap();
    let end = AtomicBool::new(false);
    let mut codes = BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(place.region_path()).unwrap();
            while !end.load(Ordering::Relaxed) {
                // Long enough to begin in the one state and to go on in the other.
                std::thread::sleep(Duration::from_micros(300));
                file.set_len(0).unwrap();
                std::thread::sleep(Duration::from_micros(300));
                file.write_all_at(&bytes, 0).unwrap();
            }
        });
        let _ended = Ended(&end);
        for _ in 0..200 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ivring"));
            let output = command.args(["inspect", place.region()]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let code = output.status.code().unwrap_or_else(|| panic!("{}: {said}", output.status));
            assert!(code != 5 || said.contains("had no page at offset") || said.contains("cannot"), "{said}");
            codes.insert(code);
        }
    });
    assert!(codes.contains(&5) && codes.iter().all(|code| [0, 1, 4, 5].contains(code)), "{codes:?}");
}
