//! Which regions a daemon takes, and which it refuses.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::geteuid;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::Daemon;

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

/// Starts a daemon that must be refused, and asserts what it says.
fn refused(place: &Place, arguments: &[&str], code: i32, parts: &[&str]) {
    let arguments = [&["--region", place.region()], arguments].concat();
    let (found, text) = Daemon::fails_with(place, &arguments);
    assert_eq!(found, code, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!place.socket().exists(), "it leaves its socket behind");
}

#[test]
fn a_region_of_one_vm_is_served_as_it_appears_and_for_that_vm_only() {
    let place = Place::new();
    let daemon = Daemon::start_with(
        &place,
        &["--region", place.region(), "--size", "1M", "--region", &place.pattern()],
    );
    // As QEMU makes it: all zero.
    let file = File::create_new(place.region_path_of(A)).unwrap();
    file.set_len(2 << 20).unwrap();
    // No region, and no reason to do anything but say so.
    fs::write(place.region_path_of(B), "something else").unwrap();

    let stranger = FakeGuest::join(&place.region_path_of(A), B, "stranger");
    assert_eq!(stranger.refusal(), "the host refuses: this region belongs to another virtual machine");
    let _owner = FakeGuest::attached(&place.region_path_of(A), A, "web1");
    let shared = FakeGuest::attached(&place.region_path(), B, "web2");
    let guests = daemon.wait_for("both attached", |guests| guests.len() == 2);
    let region = |name: &str| guests.iter().find(|guest| guest["name"] == name).unwrap()["region"].clone();
    assert_eq!(region("web1"), format!("{}-{A}", place.region()));
    assert_eq!(region("web2"), place.region());
    daemon.ok(&["ping", "web1", "--count", "1"]);
    daemon.ok(&["send", "web2", "t", "x"]);
    shared.message();
    let status = daemon.status();
    let found = &status["regions"][1];
    assert_eq!(
        (&found["owner"], &found["channels"], &found["size"]),
        (&A.into(), &1.into(), &(2 << 20).into())
    );

    // It goes, and one that comes in its place is served again.
    fs::remove_file(place.region_path_of(A)).unwrap();
    daemon.wait_for("closed", |guests| guests.len() == 1);
    File::create_new(place.region_path_of(A)).unwrap().set_len(1 << 20).unwrap();
    let _owner = FakeGuest::attached(&place.region_path_of(A), A, "web1");
    drop(file);

    let daemon = daemon.stopped();
    assert_eq!(daemon.matches("14 bytes").count(), 1, "told once and not each second: {daemon}");
}

#[test]
fn one_guest_more_than_channels_is_refused() {
    let place = Place::new();
    let daemon = Daemon::start_with(&place, &["--region", place.region(), "--size", "1M", "--channels", "1"]);
    let _one = FakeGuest::attached(&place.region_path(), A, "web1");
    let two = FakeGuest::join(&place.region_path(), B, "web2");
    assert!(two.refusal().contains("all 1 channels are taken"));
    daemon.wait_for("one only", |guests| guests.len() == 1);
    let log = daemon.stopped();
    assert!(
        log.contains("web2 (6b7c1f2f-0000-4000-8000-000000000002:agent) is refused: all 1 channels"),
        "{log}"
    );
}

#[test]
fn another_geometry_is_refused_with_both() {
    let place = Place::new();
    Daemon::start(&place).stopped();
    let before = fs::read(place.region_path()).unwrap();
    refused(&place, &["--channels", "5"], 3, &["4 channels", "5 in", "--reformat"]);
    refused(&place, &["--size", "2M"], 3, &["1048576", "2097152"]);
    assert_eq!(fs::read(place.region_path()).unwrap(), before, "something was changed");
    // With the same, or with nothing said, it goes on.
    Daemon::start(&place).stopped();
    Daemon::start_with(&place, &["--region", place.region()]).stopped();
}

#[test]
fn numbers_that_cannot_be_are_refused_before_anything_is_made() {
    let place = Place::new();
    refused(&place, &["--size", "3M"], 4, &["3145728", "power of two", "1M, 2M, 4M"]);
    refused(&place, &["--size", "64K"], 4, &["65536"]);
    refused(
        &place,
        &["--size", "1M", "--channels", "255"],
        4,
        &["255 channels", "1048576", "fewer channels"],
    );
    refused(&place, &["--channels", "0"], 4, &["1 to 255"]);
    refused(&place, &["--size", "eight"], 2, &["such as 8M"]);
    refused(&place, &["--region", "a/"], 4, &["\"a/\""]);
    refused(&place, &["--region", "a***"], 4, &["a***"]);
    assert!(!place.region_path().exists());
}

#[test]
fn what_is_no_region_is_refused_and_left_alone() {
    let place = Place::new();
    let path = place.region_path();

    fs::create_dir(&path).unwrap();
    refused(&place, &[], 4, &["is a directory"]);
    fs::remove_dir(&path).unwrap();

    symlink("/dev/zero", &path).unwrap();
    refused(&place, &[], 4, &["a symbolic link"]);
    fs::remove_file(&path).unwrap();

    fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
    refused(&place, &[], 4, &["magic 0x7878787878787878", "another --region"]);
    fs::write(&path, "short").unwrap();
    refused(&place, &[], 4, &["5 bytes", "no region"]);
    assert_eq!(fs::read(&path).unwrap(), b"short");
}

#[test]
fn damaged_and_newer_superblocks_are_refused() {
    let place = Place::new();
    Daemon::start(&place).stopped();
    let file = File::options().read(true).write(true).open(place.region_path()).unwrap();
    let with_word = |at: u64, word: u64, code: i32, parts: &[&str]| {
        let mut before = [0; 8];
        file.read_exact_at(&mut before, at).unwrap();
        file.write_all_at(&word.to_le_bytes(), at).unwrap();
        refused(&place, &[], code, parts);
        file.write_all_at(&before, at).unwrap();
    };
    with_word(16, 2 << 16 | 2 << 48, 3, &["speaks ivring 2.0", "this program 1.0"]);
    with_word(24, 8, 3, &["features 0x8"]);
    with_word(8, 77, 4, &["state 0x4d"]);
    with_word(40, 1 << 21, 4, &["2097152", "1048576"]);
    with_word(112, 1, 4, &["rings at offset 0x1 is misplaced"]);
    Daemon::start(&place).stopped();
}

#[test]
fn missing_permission_is_told() {
    let place = Place::new();
    File::create(place.region_path()).unwrap().set_permissions(Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivringd"));
    if geteuid().is_root() {
        // Root may do everything: be user "nobody", with a copy of the program that it may run.
        let program = place.copy_of(env!("CARGO_BIN_EXE_ivringd"));
        fs::set_permissions(place.directory(), Permissions::from_mode(0o777)).unwrap();
        command = Command::new(program);
        command.uid(65534).gid(65534);
    }
    let socket = place.socket();
    let output = command.args(["--region", place.region(), "--socket"]).arg(socket).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("no permission to open") && text.contains("mode 0000"), "{text}");
}
