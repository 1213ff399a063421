//! `ivring ls --watch`, in a pipe and on a terminal.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fake_guest::FakeGuest;
use crate::listening::Listening;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

/// Reads rounds until one is so.
fn round(watch: &mut Listening, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let Value::Array(guests) = watch.json()["guests"].take() else { panic!("a list") };
        if is_so(&guests) {
            return guests;
        }
        assert!(Instant::now() < deadline, "no such round: {guests:?}");
    }
}

#[test]
fn rates_are_of_what_passed_between_two_rounds() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut watch = daemon.begin(&["--json", "ls", "--watch", "0.2"]);
    let first = round(&mut watch, |_| true);
    assert_eq!((&first[0]["name"], &first[0]["rates"]), (&"web1".into(), &Value::Null));
    let rate = |guests: &[Value], of: &str| guests[0]["rates"][of].as_f64();
    // Its own pings are no traffic.
    round(&mut watch, |guests| {
        guests[0]["round_trip_ns"].is_u64()
            && rate(guests, "sent") == Some(0.0)
            && rate(guests, "received") == Some(0.0)
    });
    guest.send("log", &[0; 1000]);
    let guests = round(&mut watch, |guests| rate(guests, "received_bytes") > Some(0.0));
    assert!(rate(&guests, "received") > Some(0.0), "{guests:?}");
    assert_eq!(rate(&guests, "sent_bytes"), Some(0.0));
    daemon.ok(&["send", "web1", "t", "12345"]);
    round(&mut watch, |guests| rate(guests, "sent_bytes") > Some(0.0));
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.ends().code(), Some(0));
}

#[test]
fn a_guest_that_does_not_answer_holds_up_no_other() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let quiet = FakeGuest::attached(&place.region_path(), A, "quiet");
    let _web1 = FakeGuest::attached(&place.region_path(), B, "web1");
    let pause = quiet.pause();
    let mut watch = daemon.begin(&["--json", "ls", "--watch", "1", "--region", place.region()]);
    round(&mut watch, |guests| guests[0]["round_trip_ns"].is_null() && guests[1]["round_trip_ns"].is_u64());
    drop(pause);
    round(&mut watch, |guests| guests.iter().all(|guest| guest["round_trip_ns"].is_u64()));
}

#[test]
fn a_daemon_that_goes_away_is_waited_for() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut child = daemon
        .ivring(&["--json", "ls", "--watch", "0.1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Listening::from)
        .expect("ivring starts");
    round(&mut child, |guests| !guests[0]["rates"].is_null());
    daemon.stopped();
    let _daemon = Daemon::start(&place);
    // The next one counts from zero.
    let guests = round(&mut child, |guests| guests.iter().any(|guest| guest["rates"].is_null()));
    assert_eq!(guests[0]["name"], "web1");
    round(&mut child, |guests| guests.iter().any(|guest| !guest["rates"].is_null()));
    child.signal(Signal::SIGTERM);
    assert_eq!(child.ends().code(), Some(0));
    let said = child.errors();
    assert!(said.contains("; trying again") && said.contains("ivringd is back"), "{said}");
    assert!(said.matches("nobody listens here").count() <= 1, "said once: {said}");
}

#[test]
fn tables_follow_each_other_where_there_is_no_terminal() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, "\x1b[31mevil");
    let mut watch = daemon.begin(&["ls", "--watch", "0.1"]);
    for _ in 0..2 {
        assert!(watch.line().starts_with("NAME            GUEST     PORT "));
        let row = watch.line();
        assert!(row.starts_with("\\u{1b}[31mevil  6b7c1f2e  agent  "), "{row}");
        assert_eq!(watch.line(), "");
    }
    watch.close_output();
    assert_eq!(watch.ends().code(), Some(0), "a reader that has enough is no error");
}

#[test]
fn a_terminal_is_drawn_anew_and_as_it_was_at_the_end() {
    const COLUMNS: usize = 50;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, &"n".repeat(60));
    let size = Winsize { ws_row: 10, ws_col: COLUMNS.try_into().unwrap(), ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let mut child = daemon.ivring(&["ls", "--watch", "0.1"]).stdout(pty.slave).spawn().unwrap();
    let mut terminal = File::from(pty.master);
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    let home = b"\x1b[H";
    while seen.windows(home.len()).filter(|bytes| bytes == home).count() < 3 {
        let read = terminal.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..read]);
    }
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGINT).unwrap();
    // It fails when nobody has the other end any more.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..read]);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.starts_with("\x1b[?1049h\x1b[?7l\x1b[H"), "{seen:?}");
    assert!(seen.ends_with("\x1b[J\x1b[?7h\x1b[?1049l"), "{seen:?}");
    let frame = seen.split("\x1b[H").nth(1).unwrap();
    let lines: Vec<&str> = frame.split("\x1b[K").map(|line| line.trim_matches(['\r', '\n'])).collect();
    assert_eq!(lines[0], "1 guests, 1 attached; every 0.1 s, Ctrl-C ends");
    assert!(lines[3].starts_with("nnnnnnn…  6b7c1f2e  agent  "), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
}
