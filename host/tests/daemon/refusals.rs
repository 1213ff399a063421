//! What is refused on the command line, with its exit code and the remedy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ivring_proto::control::{Code, Request, Target};
use nix::unistd::geteuid;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

/// Asserts that the message has every part.
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn without_a_daemon_its_socket_and_name_are_told() {
    let place = Place::new();
    for arguments in [&["ls"][..], &["ping", "web1"], &["send", "web1", "t"], &["listen"], &["evict", "web1"]]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_ivring"))
            .arg("--socket")
            .arg(place.socket())
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{text}");
        says(&text, &[place.socket().to_str().unwrap(), "start ivringd"]);
    }
}

#[test]
fn a_socket_one_may_not_use_says_who_may() {
    let place = Place::new();
    let _daemon = Daemon::start(&place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivring"));
    if geteuid().is_root() {
        // Root may use any socket: be user "nobody", with a copy of the program that it may run.
        let program = place.copy_of(env!("CARGO_BIN_EXE_ivring"));
        fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o755)).unwrap();
        command = Command::new(program);
        command.uid(65534).gid(65534);
    } else {
        fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let output = command.arg("--socket").arg(place.socket()).arg("ls").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{text}");
    says(&text, &[place.socket().to_str().unwrap(), "no permission", "group"]);
}

#[test]
fn guests_that_are_not_there_or_not_the_only_ones() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _one = FakeGuest::attached(&place.region_path(), A, "web1");
    let _two = FakeGuest::attached(&place.region_path(), B, "web1");
    let (code, text) = daemon.fails(&["send", "db1", "t", "x"]);
    assert_eq!(code, 1);
    says(&text, &["`db1`", "ivring ls"]);
    for guest in ["web1", "6b7c1f2"] {
        let (code, text) = daemon.fails(&["ping", guest]);
        assert_eq!(code, 3);
        says(&text, &[A, B, "give more"]);
    }
    for guest in ["", "web1:"] {
        let (code, text) = daemon.fails(&["evict", guest]);
        assert_eq!((code, text.is_empty()), (2, false));
    }
    assert_eq!(daemon.fails(&["send", "--region", "other", A, "t", "x"]).0, 1);
    daemon.ok(&["send", "--region", place.region(), A, "t", "x"]);
}

#[test]
fn bad_topics_and_long_messages() {
    let place = Place::new();
    let longest = ["--region", place.region(), "--size", "1M", "--channels", "4", "--max-message", "36K"];
    let daemon = Daemon::start_with(&place, &longest);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    for topic in ["", "a\nb", &"t".repeat(256)] {
        let (code, text) = daemon.fails(&["send", "web1", topic, "x"]);
        assert_eq!(code, 4);
        says(&text, &["1 to 255 bytes", &format!("has {} bytes", topic.len())]);
    }
    let file = place.directory().join("long");
    fs::write(&file, vec![0; 40_000]).unwrap();
    let (code, text) = daemon.fails(&["send", "web1", "t", "--file", file.to_str().unwrap()]);
    assert_eq!(code, 4);
    says(&text, &["40000 bytes", "36864"]);
    let (code, text) = daemon.fails(&["ping", "web1", "--bytes", "1G"]);
    assert_eq!(code, 4);
    says(&text, &["1073741824", "32744"]);
    assert_eq!(daemon.fails(&["ping", "web1", "--bytes", "8G"]).0, 4);

    // No message at all fits into a frame that long.
    fs::write(&file, vec![0; (64 << 20) + 1]).unwrap();
    let (code, text) = daemon.fails(&["send", "web1", "t", "--file", file.to_str().unwrap()]);
    assert_eq!(code, 4);
    says(&text, &["67108864", "in parts"]);
    let (code, text) = daemon.fails(&["send", "web1", "t", "--file", "/nowhere/file"]);
    assert_eq!(code, 5);
    says(&text, &["/nowhere/file"]);

    // The longest that fits a record arrives.
    fs::write(&file, vec![7; 32_743]).unwrap();
    daemon.ok(&["send", "web1", "t", "--file", file.to_str().unwrap()]);
    assert_eq!(guest.message().1, vec![7; 32_743]);
}

#[test]
fn a_full_ring_is_an_error_or_waited_for() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let file = place.directory().join("payload");
    let pause = guest.pause();
    for byte in 1..=2 {
        fs::write(&file, vec![byte; 20_000]).unwrap();
        daemon.ok(&["send", "web1", "t", "--file", file.to_str().unwrap()]);
    }
    fs::write(&file, vec![9; 28_000]).unwrap();
    for wait in ["0", "0.1"] {
        let (code, text) =
            daemon.fails(&["send", "web1", "t", "--file", file.to_str().unwrap(), "--wait", wait]);
        assert_eq!(code, 3);
        says(&text, &["web1 is full", "bytes needed", "free", "wait for room"]);
    }

    let mut client = daemon.client();
    let mut send = |length: usize, wait_ms| {
        let target = Target { guest: Some("web1".into()), region: None };
        client.send_nowait(&Request::Send { target, topic: "t".into(), wait_ms }, &vec![3; length]).unwrap()
    };
    let waiting = [send(28_000, 60_000), send(5, 60_000)];
    // It would fit, but those that wait came first.
    let overtaking = send(5, 0);
    let (response, _) = client.next_response(LIMIT).unwrap();
    assert_eq!((response.id, response.code), (overtaking, Code::Refused));
    drop(pause);
    for id in waiting {
        let (response, _) = client.next_response(LIMIT).unwrap();
        assert_eq!((response.id, response.ok), (id, true), "{response:?}");
    }
    for (byte, length) in [(1, 20_000), (2, 20_000), (3, 28_000), (3, 5)] {
        assert_eq!(guest.message().1, vec![byte; length]);
    }
}

#[test]
fn a_guest_that_left_is_not_attached() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    guest.run(|guest| guest.bye());
    daemon.wait_for("gone", <[_]>::is_empty);
    let (code, text) = daemon.fails(&["send", "web1", "t", "x"]);
    assert_eq!(code, 1, "{text}");
}
