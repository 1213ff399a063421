//! The commands that speak with a running agent: what they print and how they exit.

use std::io::Write;
use std::process::{Output, Stdio};

use ivring_proto::control::MAX_BODY;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::agent::{Agent, Place, attached, attached_with, stderr, stdout, wait_for};
use crate::host::Heard;

fn message(topic: &str, payload: &[u8]) -> Heard {
    Heard::Message { topic: topic.into(), payload: payload.to_vec(), redelivered: false }
}

/// Runs a command with `input` on its standard input.
fn ask_with(place: &Place, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = place.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may stop reading when it has seen enough.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn send_takes_text_a_file_standard_input_or_nothing() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let output = place.ask(&["send", "greeting", "hello host"]);
    assert_eq!((output.status.code(), stdout(&output), stderr(&output)), (Some(0), "", ""));
    assert_eq!(host.next(), message("greeting", b"hello host"));

    let output = ask_with(&place, &["send", "raw", "-"], b"a\0b\xff\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(host.next(), message("raw", b"a\0b\xff\n"));

    let file = place.path().join("file");
    std::fs::write(&file, "from a file").unwrap();
    let output = place.ask(&["send", "file", "--file", file.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let sent: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert!(sent["message"].is_u64(), "{sent}");
    assert_eq!(host.next(), message("file", b"from a file"));

    assert_eq!(place.ask(&["send", "empty"]).status.code(), Some(0));
    assert_eq!(host.next(), message("empty", b""));
}

#[test]
fn a_message_larger_than_the_ring_is_sent_and_said_to_be_there() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let payload: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[usize::from(at % 5 == 0)]).collect();
    let output = ask_with(&place, &["send", "large", "-", "--json"], &payload);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let sent: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert!(sent["message"].as_u64().unwrap() >= 1 << 63, "{sent}");
    let heard = host.next();
    assert!(heard == message("large", &payload), "another message");
}

#[test]
fn send_says_what_is_wrong_with_a_message() {
    let place = Place::new();
    let (_host, _agent) = attached_with(&place, &["--max-message", "300000"]);
    let output = ask_with(&place, &["send", "t", "-"], &vec![0; 300_001]);
    assert_eq!(output.status.code(), Some(4));
    let text = "300001 bytes exceed the largest message of 300000 bytes";
    assert!(stderr(&output).contains(text), "{}", stderr(&output));

    let output = ask_with(&place, &["send", "t", "-"], &vec![0; MAX_BODY + 1]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains(&format!("standard input has more than {MAX_BODY} bytes")),
        "{}",
        stderr(&output)
    );

    for topic in ["", "a\nb", &"t".repeat(256)] {
        let output = place.ask(&["send", topic, "text"]);
        assert_eq!(output.status.code(), Some(4), "{topic:?}");
        assert!(stderr(&output).contains("a topic has 1 to 255 bytes"), "{}", stderr(&output));
    }
    let output = place.ask(&["send", "t", "--file", "/no/such/file"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("can't open /no/such/file"), "{}", stderr(&output));
    assert_eq!(place.ask(&["send", "t", "text", "--wait", "-1"]).status.code(), Some(2));
}

#[test]
fn a_full_ring_is_an_error_at_once_or_after_the_wait_or_never() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let going_on = host.pause();
    let large = vec![1; 60_000];
    let mut sent = 0;
    let full = loop {
        let output = ask_with(&place, &["send", "t", "-"], &large);
        if output.status.code() != Some(0) {
            break output;
        }
        sent += 1;
        assert!(sent < 10, "the ring is never full");
    };
    assert_eq!(full.status.code(), Some(3));
    assert!(stderr(&full).contains("bytes needed"), "{}", stderr(&full));
    let output = ask_with(&place, &["send", "t", "-", "--wait", "0.2"], &large);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("the ring is full"), "{}", stderr(&output));

    let mut patient = place.command(&["send", "t", "-", "--wait", "15"]);
    let mut patient = patient.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    patient.stdin.take().unwrap().write_all(&large).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(patient.try_wait().unwrap().is_none(), "it has not waited");
    drop(going_on);
    let output = patient.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for _ in 0..=sent {
        assert_eq!(host.next(), message("t", &large));
    }
    assert_eq!(place.status().1["counters"]["sent"], sent + 1);
}

#[test]
fn request_prints_the_answer_as_it_is() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let output = ask_with(&place, &["request", "double", "-"], b"\x1b\xff\n");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"\x1b\xff\n\x1b\xff\n"[..]));
    let output = place.ask(&["request", "double", "ab", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(answer, json!({"status": "ok", "bytes": 4, "text": "abab"}));
    let file = place.path().join("answer");
    let output = place.ask(&["request", "double", "ab", "--out", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
    assert_eq!(std::fs::read(&file).unwrap(), b"abab");

    let output = place.ask(&["request", "no.such", "--out", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let pause = host.pause();
    let output = place.ask(&["request", "double", "x", "--timeout", "0.1", "--out", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("no answer from the host within 100 ms"), "{}", stderr(&output));
    assert_eq!(std::fs::read(&file).unwrap(), b"abab", "left alone without an answer");
    drop(pause);
}

#[test]
fn commands_without_an_agent_or_a_host_say_so() {
    let place = Place::new();
    let output = place.ask(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody listens here; start ivring-agent"), "{}", stderr(&output));
    assert_eq!(place.ask(&["send", "t", "text"]).status.code(), Some(5));
    assert_eq!(place.ask(&["listen"]).status.code(), Some(5));
    assert_eq!(place.ask(&["request", "ivring.info"]).status.code(), Some(5));

    let mut agent = place.start();
    agent.line_with("waiting: can't use");
    let output = place.ask(&["send", "t", "text", "--wait", "5"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not connected to the host: can't use"), "{}", stderr(&output));
    assert_eq!(place.ask(&["request", "ivring.info"]).status.code(), Some(1));
}

#[test]
fn status_for_people() {
    let place = Place::new();
    let (_host, agent) = attached(&place);
    let output = place.ask(&["status"]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines[..2], ["state     attached, channel 0", "host      alive"]);
    assert_eq!(lines[2], format!("region    test at {}, 1048576 bytes", place.region().display()));
    assert_eq!(lines[3], "memory    write-back, a file");
    assert_eq!(lines[4], format!("identity  {}:agent (guest1)", crate::agent::uuid(1)));
    assert_eq!(lines[5], "sent      0 records, 0 bytes");
    assert!(lines[7].contains(&format!("process {},", agent.pid())), "{lines:?}");
}

#[test]
fn listen_prints_text_made_printable() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let mut listener = Agent::start_reading_output(place.command(&["listen", "-n", "4"]));
    wait_for_listeners(&place, 1);
    host.send(0, "plain", b"hello guest");
    host.send(0, "hostile", b"\x1b[2J\na\n");
    host.send(0, "long", &[b'x'; 1000]);
    host.send(0, "bytes", b"\xff\xfe");
    assert_eq!(listener.ended().code(), Some(0));
    let long = format!("long: {}", "x".repeat(1000));
    assert_eq!(
        listener.seen,
        ["plain: hello guest", "hostile: \\u{1b}[2J\\na", &long, "bytes: 2 bytes that are no text"]
    );
    assert_eq!(place.status().1["counters"]["unheard"], 0);
    host.send(0, "plain", b"nobody is there");
    wait_for("count", || (place.status().1["counters"]["unheard"] == 1).then_some(()));
}

#[test]
fn listen_filters_topics_and_prints_json() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let command = place.command(&["listen", "--topic", "wanted", "--json", "-n", "2"]);
    let mut listener = Agent::start_reading_output(command);
    wait_for_listeners(&place, 1);
    host.send(0, "other", b"not this");
    host.send(0, "wanted", b"a \"text\"\n");
    host.send(0, "wanted", b"\x00\xff");
    assert_eq!(listener.ended().code(), Some(0));
    let lines: Vec<serde_json::Value> =
        listener.seen.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["topic"], &lines[0]["text"]), (&"wanted".into(), &"a \"text\"\n".into()));
    assert_eq!((&lines[1]["hex"], &lines[1]["redelivered"]), (&"00ff".into(), &false.into()));
    assert!(lines[1].get("text").is_none() && lines[0].get("hex").is_none(), "{lines:?}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = place.command(&["listen"]);
    command.stdout(writer);
    let mut listener = Agent::start(command);
    wait_for_listeners(&place, 1);
    drop(reader);
    // A process that is being started beside this test may have the reader open for another moment.
    let status = wait_for("end", || {
        host.send(0, "t", b"nobody reads this");
        listener.has_ended()
    });
    assert_eq!(status.code(), Some(0));
    assert_eq!(listener.seen, Vec::<String>::new());
}

#[test]
fn listen_ends_with_the_agent() {
    let place = Place::new();
    let (_host, mut agent) = attached(&place);
    let mut listener = Agent::start(place.command(&["listen"]));
    wait_for_listeners(&place, 1);
    agent.signal(Signal::SIGKILL);
    agent.ended();
    assert_eq!(listener.ended().code(), Some(5));
}

#[test]
fn listen_writes_each_payload_to_a_file_of_its_own() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let directory = place.path().join("out");
    let out = directory.to_str().unwrap();
    let mut listener = Agent::start_reading_output(place.command(&["listen", "--out", out, "-n", "1"]));
    wait_for_listeners(&place, 1);
    host.send(0, "a/b", b"\x00\xff");
    assert_eq!(listener.ended().code(), Some(0));
    assert_eq!(listener.seen, [format!("a/b: 2 bytes in {out}/000001-a_b")]);
    assert_eq!(std::fs::read(directory.join("000001-a_b")).unwrap(), b"\x00\xff");
}

fn wait_for_listeners(place: &Place, count: u64) {
    wait_for("listener", || (place.status().1["clients"]["listeners"] == count).then_some(()));
}
