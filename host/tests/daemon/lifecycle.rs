//! The daemon comes and goes; guests and messages stay.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;

use ivring_proto::link::{GuestEvent, Topic};
use nix::sys::signal::Signal;

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::Daemon;

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

#[test]
fn a_signal_ends_it_and_the_guests_hear_of_it() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let mut daemon = Daemon::start(&place);
        let mut listen = daemon.listen(&["--topic", "log"]);
        let guest = FakeGuest::attached(&place.region_path(), A, "web1");
        guest.send("log", b"the last words");
        daemon.signal(signal);
        assert_eq!(daemon.wait().code(), Some(0));
        assert_eq!(listen.line(), "web1 log: the last words");
        assert_eq!(listen.ends().code(), Some(5), "the daemon is gone");
        guest.wait_for(|seen| *seen == Seen::Event(GuestEvent::HostAway));
        assert!(!place.socket().exists(), "its socket is still there");
        assert!(place.region_path().exists(), "the region stays for the guests");
        let log = daemon.log();
        assert!(log.contains("web1 (6b7c1f2e-0000-4000-8000-000000000001:agent) attached"), "{log}");
    }
}

#[test]
fn a_signal_ends_it_without_any_guest() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn messages_that_wait_survive_a_daemon_that_is_killed() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let pause = guest.pause();
    for number in 0..3 {
        daemon.ok(&["send", "web1", "t", &number.to_string()]);
    }
    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.wait().signal(), Some(9));
    // Its socket is left over, and taken by the next.
    assert!(place.socket().exists());
    let mut daemon = Daemon::start(&place);
    assert_eq!(daemon.guests()[0]["state"], "attached", "the session goes on");
    daemon.ok(&["send", "web1", "t", "3"]);
    drop(pause);
    for number in 0..4 {
        assert_eq!(guest.message(), ("t".into(), number.to_string().into_bytes(), false));
    }
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    guest.drain();
    let _daemon = Daemon::start(&place);
    guest.wait_for(|seen| *seen == Seen::Event(GuestEvent::HostRestarted));
}

#[test]
fn a_scribbled_directory_costs_nothing_at_a_restart() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    // The table is written once the session is known, before the loop sleeps again.
    daemon.ok(&["ping", "web1", "--count", "1"]);
    let pause = guest.pause();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let region = OpenOptions::new().write(true).open(place.region_path()).expect("the region is there");
    region.write_all_at(&[0x55; 128], 12288).expect("the first entry of the directory is written over");
    let daemon = Daemon::start(&place);
    drop(pause);
    daemon.ok(&["send", "web1", "t", "still here"]);
    assert_eq!(guest.message(), ("t".into(), b"still here".to_vec(), false), "the session went on");
    assert_eq!(daemon.guests()[0]["state"], "attached");
}

#[test]
fn what_guests_sent_survives_a_daemon_that_is_killed_and_repeats_are_marked() {
    const REQUESTS: u64 = 400;
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut repeated = false;
    // Whether the kill falls between a request and its release is chance; a few rounds see it.
    for _ in 0..50 {
        guest.run(|guest| {
            let link = guest.link().expect("attached");
            for id in 0..REQUESTS {
                let topic = Topic::new("ivring.echo").expect("a topic");
                link.request(id, topic, &id.to_le_bytes()).expect("room");
            }
            link.flush();
        });
        let mut answers = vec![0_u32; usize::try_from(REQUESTS).unwrap()];
        let mut take = || match guest.wait_for(|seen| matches!(seen, Seen::Response { .. })) {
            Seen::Response { id, payload, .. } => {
                assert_eq!(payload, id.to_le_bytes());
                answers[usize::try_from(id).unwrap()] += 1;
                answers.iter().all(|&count| count > 0)
            }
            other => unreachable!("{other:?}"),
        };
        take();
        daemon.signal(Signal::SIGKILL);
        daemon.wait();
        daemon = Daemon::start(&place);
        while !take() {}
        if daemon.guests()[0]["redelivered"].as_u64().unwrap() > 0 {
            repeated = true;
            break;
        }
        guest.drain();
    }
    assert!(repeated, "in 50 rounds nothing was repeated and marked");
}

#[test]
fn a_second_daemon_is_refused_and_told_who_has_the_region() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let (code, text) = Daemon::fails_with(&place, &["--region", place.region()]);
    assert_eq!(code, 3);
    assert!(text.contains("another server answers on this socket"), "{text}");

    let other = Place::new();
    let (code, text) = Daemon::fails_with(&other, &["--region", place.region()]);
    assert_eq!(code, 3);
    assert!(text.contains(&format!("in use by process {}", daemon.pid())), "{text}");
    assert!(!other.socket().exists());
    assert_eq!(daemon.guests(), Vec::<serde_json::Value>::new(), "the first goes on");
}

#[test]
fn a_region_that_is_taken_away_ends_the_daemon() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    fs::remove_file(place.region_path()).unwrap();
    assert_eq!(daemon.wait().code(), Some(5));
    assert!(!place.socket().exists());
    let log = daemon.log();
    assert!(log.contains("was removed while in use"), "{log}");
}

#[test]
fn one_region_that_is_taken_away_leaves_the_other() {
    let place = Place::new();
    let second = Place::new();
    let mut daemon = Daemon::start_with(
        &place,
        &[
            "--size",
            "1M",
            "--region",
            place.region(),
            "--region",
            second.region(),
            "--region",
            place.region(),
        ],
    );
    let _guest = FakeGuest::attached(&second.region_path(), A, "web1");
    fs::remove_file(place.region_path()).unwrap();
    let regions = |daemon: &Daemon| daemon.status()["regions"].as_array().unwrap().len();
    assert!((1..=2).contains(&regions(&daemon)), "the third names the first again");
    while regions(&daemon) == 2 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    daemon.ok(&["ping", "web1", "--count", "1"]);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
}
