//! The commands, on a daemon with guests.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use ivring_proto::link::Status;
use serde_json::json;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

#[test]
fn a_message_to_a_guest_arrives_as_it_was_sent() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    assert_eq!(daemon.ok(&["send", "web1", "greeting", "hello"]), "");
    assert_eq!(guest.message(), ("greeting".into(), b"hello".to_vec(), false));

    let file = place.directory().join("payload");
    let bytes: Vec<u8> = (0..=255).cycle().take(32_000).collect();
    std::fs::write(&file, &bytes).unwrap();
    let first = daemon.json(&["send", A, "upload", "--file", file.to_str().unwrap()]);
    assert_eq!(guest.message(), ("upload".into(), bytes.clone(), false));

    let mut command = daemon.ivring(&["--json", "send", "6b7c", "upload", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(guest.message(), ("upload".into(), bytes, false));
    // Numbers of messages grow.
    let second: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(second["message"].as_u64() > first["message"].as_u64(), "{first} {second}");

    daemon.ok(&["send", "web1", "empty"]);
    assert_eq!(guest.message(), ("empty".into(), Vec::new(), false));
}

#[test]
fn ls_shows_who_is_there_and_what_passed() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    assert_eq!(daemon.ok(&["ls"]).lines().count(), 1, "the header");
    assert_eq!(daemon.json(&["ls"]), json!({ "guests": [] }));
    let _web1 = FakeGuest::attached(&place.region_path(), A, "web1");
    let evil = FakeGuest::attached(&place.region_path(), B, "\x1b[31mevil");
    daemon
        .wait_for("both attached", |guests| guests.iter().filter(|g| g["state"] == "attached").count() == 2);
    daemon.ok(&["send", "web1", "t", "12345"]);
    evil.send("log", &[0; 2048]);
    daemon.wait_for("received", |guests| guests.iter().any(|guest| guest["received"] == 1));

    let region = place.region();
    let width = region.len();
    assert_eq!(
        daemon.ok(&["ls"]),
        format!(
            "NAME            GUEST                                 PORT   {:width$}  CHANNEL  STATE     RECEIVED         SENT\n\
             web1            {A}  agent  {region}        0  attached         0    0 B     2  5 B\n\
             \\u{{1b}}[31mevil  {B}  agent  {region}        1  attached         1  2 KiB     1  0 B\n",
            "REGION"
        )
    );
    let guests = daemon.guests();
    let mut evil = guests[1].clone();
    assert!(evil["silent_ms"].take().as_u64().unwrap() < 60_000);
    assert_eq!(
        evil,
        json!({
            "guest": B, "port": "agent", "name": "\x1b[31mevil", "region": region, "channel": 1,
            "state": "attached", "silent_ms": null, "max_message": 64 << 20, "max_record": 32_744,
            "sent": 1, "sent_bytes": 0, "received": 1, "received_bytes": 2048, "redelivered": 0, "full": 0,
            "pings_dropped": 0, "unknown": 0,
            "late": 0, "stray_fragments": 0, "unwanted": 0, "interrupted": 0, "declined": 0, "unanswered": 0,
            "answers_lost": 0, "held_bytes": 0, "faults": 0,
        })
    );
    assert_eq!(daemon.json(&["ls", "--region", "other"]), json!({ "guests": [] }));
    assert_eq!(daemon.json(&["ls", "--region", region])["guests"].as_array().unwrap().len(), 2);
}

#[test]
fn ping_measures_each_round_trip() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let text = daemon.ok(&["ping", "web1", "--count", "3", "--interval", "0", "--bytes", "1K"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (number, line) in (1..).zip(&lines[..3]) {
        assert!(line.starts_with(&format!("1024 bytes from web1: seq={number} time=")), "{text}");
    }
    assert!(lines[3].starts_with("3 sent, 3 answered, min "), "{text}");
    for word in [", p50 ", ", p99 ", ", max "] {
        assert!(lines[3].contains(word), "{text}");
    }

    let report = daemon.json(&["ping", "web1", "--count", "20", "--interval", "0"]);
    assert_eq!(
        (&report["sent"], &report["answered"], &report["bytes"]),
        (&json!(20), &json!(20), &json!(56))
    );
    let trips: Vec<u64> = serde_json::from_value(report["round_trips_ns"].clone()).unwrap();
    assert_eq!((trips.len(), trips.iter().min().copied()), (20, report["min_ns"].as_u64()));
    assert_eq!(trips.iter().max().copied(), report["max_ns"].as_u64());
}

#[test]
fn a_ping_that_is_not_answered_ends() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let pause = guest.pause();
    let (code, text) = daemon.fails(&["ping", "web1", "--timeout", "0.1"]);
    assert_eq!((code, text.contains("web1 did not answer within 0.1 s")), (1, true), "{text}");
    drop(pause);
    // The answer that came too late is nobody's.
    daemon.ok(&["ping", "web1", "--count", "2", "--interval", "0"]);
}

#[test]
fn listen_prints_what_guests_send() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&["--count", "3"]);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let region = place.region();
    assert_eq!(listen.line(), format!("-- web1 attached in region {region}"));
    guest.send("log", b"up\n");
    guest.send("log", b"\x1b[2J");
    guest.send("log", &[0xff; 7]);
    assert_eq!(listen.line(), "web1 log: up");
    assert_eq!(listen.line(), "web1 log: \\u{1b}[2J");
    assert_eq!(listen.line(), "web1 log: 7 bytes that are no text");
    assert!(listen.ends().success(), "after three messages");
}

#[test]
fn listen_as_json_filters_and_tells_everything() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut all = daemon.listen(&["--json"]);
    let mut one = daemon.listen(&["--json", "--guest", "db1", "--topic", "log"]);
    let web1 = FakeGuest::attached(&place.region_path(), A, "web1");
    let db1 = FakeGuest::attached(&place.region_path(), B, "db1");
    let region = place.region();
    let from = |event: &str, guest: &str, name: &str| json!({ "event": event, "region": region, "guest": guest, "port": "agent", "name": name });
    let attached = |guest: &str, name: &str, channel: u64| {
        let mut event = from("attached", guest, name);
        event["channel"] = channel.into();
        event["resumed"] = false.into();
        event
    };
    assert_eq!(all.json(), attached(A, "web1", 0));
    assert_eq!(all.json(), attached(B, "db1", 1));
    let message = |guest: &str, name: &str, topic: &str, id: u64, text: &str| {
        let mut event = from("message", guest, name);
        event["topic"] = topic.into();
        event["message"] = id.into();
        event["redelivered"] = false.into();
        event["text"] = text.into();
        event
    };
    let first = web1.send("log", b"a");
    assert_eq!(all.json(), message(A, "web1", "log", first, "a"));
    let second = db1.send("other", b"b");
    assert_eq!(all.json(), message(B, "db1", "other", second, "b"));
    let third = db1.send("log", b"c");
    assert_eq!(all.json(), message(B, "db1", "log", third, "c"));
    assert_eq!(one.json(), message(B, "db1", "log", third, "c"));
    db1.run(|guest| guest.bye());
    let mut detached = from("detached", B, "db1");
    detached["reason"] = "the guest said good-bye".into();
    detached["code"] = 1.into();
    assert_eq!(all.json(), detached);
}

#[test]
fn listen_writes_each_payload_to_a_file_of_its_own() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let directory = place.directory().join("uploads");
    let out = directory.to_str().unwrap();
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut listen = daemon.listen(&["--json", "--out", out, "--count", "2"]);
    guest.send("../../up~load", &[0xff, 0]);
    guest.send("log", b"");
    for (file, bytes) in [("000001-.._.._up_load", &[0xff, 0][..]), ("000002-log", b"")] {
        let event = listen.json();
        let path = directory.join(file);
        assert_eq!((&event["file"], event.get("text"), event.get("hex")), (&json!(path), None, None));
        assert_eq!(std::fs::read(path).unwrap(), bytes);
    }
    assert!(listen.ends().success());

    // The next one goes on behind them, and text is for people.
    let mut listen = daemon.listen(&["--out", out, "--count", "1"]);
    guest.send("log", b"more");
    assert_eq!(listen.line(), format!("web1 log: 4 bytes in {out}/000003-log"));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 3);
    assert_eq!(daemon.fails(&["listen", "--out", "/dev/null"]).0, 5);
}

#[test]
fn an_answer_is_printed_as_it_is() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let bytes = b"\x1b[2J\xff\0\n";
    let file = place.directory().join("question");
    std::fs::write(&file, bytes).unwrap();
    let question = ["request", "web1", "ivring.echo", "--file", file.to_str().unwrap()];
    assert_eq!(daemon.ivring(&question).output().unwrap().stdout, bytes);

    let answer = place.directory().join("answer");
    let answer = answer.to_str().unwrap();
    let to_file = [&question[..], &["--out", answer]].concat();
    assert_eq!(daemon.ok(&to_file), "");
    assert_eq!(std::fs::read(answer).unwrap(), bytes);

    let echo = |text| daemon.json(&["request", A, "ivring.echo", text]);
    assert_eq!(echo("grüße\n"), json!({"status": "ok", "bytes": 8, "text": "grüße\n"}));
    assert_eq!(daemon.json(&question), json!({"status": "ok", "bytes": 7, "hex": "1b5b324aff000a"}));
    assert_eq!(daemon.json(&to_file), json!({"status": "ok", "bytes": 7, "file": answer}));
    assert_eq!(daemon.json(&["request", "web1", "ivring.echo"])["text"], "");
}

#[test]
fn a_request_without_an_answer_ends_as_it_should() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let (code, text) = daemon.fails(&["request", "web1", "t"]);
    assert_eq!((code, text.contains("no guest `web1`")), (1, true), "{text}");
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let (code, text) = daemon.fails(&["request", "web1", "t"]);
    assert_eq!((code, text.contains("web1 serves nothing on the topic `t`")), (3, true), "{text}");
    for topic in ["", "a\nb", &"t".repeat(65536)] {
        assert_eq!(daemon.fails(&["request", "web1", topic]).0, 4, "{} bytes", topic.len());
    }

    // The file is left alone.
    let answer = place.directory().join("answer");
    std::fs::write(&answer, "before").unwrap();
    let pause = guest.pause();
    let (code, text) =
        daemon.fails(&["request", "web1", "t", "--timeout", "0.1", "--out", answer.to_str().unwrap()]);
    assert_eq!((code, text.contains("web1 did not answer within 0.1 s")), (1, true), "{text}");
    assert_eq!(std::fs::read(&answer).unwrap(), b"before");
    drop(pause);

    let failed = guest.begin(|guest| {
        let mut buffer = vec![0; 4096];
        loop {
            if let Ok(Some(request)) = guest.receive(Duration::ZERO, &mut buffer)
                && request.topic == "fail"
            {
                let id = request.id;
                return guest.respond(id, Status::Failed, b"disk\x1b full").is_ok();
            }
        }
    });
    let (code, text) = daemon.fails(&["request", "web1", "fail"]);
    assert_eq!((code, text.contains("web1 failed to answer: disk\\u{1b} full")), (5, true), "{text}");
    assert!(failed.recv_timeout(LIMIT).unwrap());
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&[]);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    listen.line();
    listen.close_output();
    // The pipe breaks at the next line, or the one after.
    while listen.has_not_ended() {
        guest.send("log", b"more");
    }
    assert!(listen.ends().success());
}

#[test]
fn an_evicted_guest_reads_why_and_its_channel_is_free() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&[]);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    listen.line();
    // What it had published is delivered first.
    guest.send("last", b"words");
    assert_eq!(daemon.json(&["evict", "web1"]), json!({ "freed": true }));
    assert_eq!(listen.line(), "web1 last: words");
    assert_eq!(
        listen.line(),
        format!("-- web1 detached from region {}: evicted by the operator", place.region())
    );
    assert_eq!(guest.detached(), "evicted by the operator");
    assert_eq!(daemon.fails(&["evict", "web2"]).0, 1);
}

#[test]
fn programs_in_a_guest_have_ports() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let metrics = FakeGuest::join_port(&place.region_path(), A, "metrics", "web1");
    daemon.wait_for("attached", |guests| guests.iter().any(|guest| guest["state"] == "attached"));
    let (code, text) = daemon.fails(&["send", "web1", "t", "x"]);
    assert_eq!((code, text.contains(":metrics")), (1, true), "{text}");
    daemon.ok(&["send", "web1:metrics", "t", "x"]);
    assert_eq!(metrics.message().1, b"x");
    let agent = FakeGuest::attached(&place.region_path(), A, "web1");
    daemon.ok(&["send", "web1", "t", "y"]);
    assert_eq!(agent.message().1, b"y");
}

#[test]
fn lines_of_the_log_are_no_data() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let output = daemon.ivring(&["-v", "--json", "ls"]).output().unwrap();
    assert_eq!(output.stdout, b"{\"guests\":[]}\n");
    assert!(!output.stderr.contains(&0x1b), "colours where there is no terminal");
}
