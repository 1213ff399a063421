//! Clients of the control socket that mean harm, or are only careless: they may use it, and still cost bounded memory and
//! no descriptors.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use ivring_proto::control::{Code, MAX_CLIENTS, Request, Target};
use serde_json::{Value, json};

use super::attacker::{Attacker, uuid};
use super::floods::{REGION, SLACK, listed};
use super::neighbour::Neighbour;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

fn connect(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.socket()).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream
}

fn frame(header: &Value, body: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_le_bytes();
    [&length(header.as_bytes())[..], &length(body), header.as_bytes(), body].concat()
}

/// The next answer on a bare stream, without its body.
fn answer(stream: &mut UnixStream) -> Value {
    let mut lengths = [0; 8];
    stream.read_exact(&mut lengths).expect("an answer");
    let [header, body] = [&lengths[..4], &lengths[4..]]
        .map(|length| u32::from_le_bytes(length.try_into().expect("four bytes")) as usize);
    let mut bytes = vec![0; header + body];
    stream.read_exact(&mut bytes).expect("an answer");
    serde_json::from_slice(&bytes[..header]).expect("JSON")
}

/// Waits until that is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_thousand_connections_leave_no_descriptor_behind() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    daemon.status();
    let descriptors = daemon.descriptors();
    for round in 0..1000 {
        let mut stream = connect(&daemon);
        // Some say nothing, some half a length, some half a frame, some ask and don't wait.
        let said: &[u8] = match round % 5 {
            0 => b"",
            1 => b"\x10\0",
            2 => b"\x10\0\0\0\0\0\0\0{\"id\":1",
            3 => &frame(&json!({ "id": 1, "op": "status" }), b""),
            _ => b"\xff\xff\xff\xff\xff\xff\xff\xff",
        };
        match stream.write_all(said) {
            // Turned away already: as many as may be connected are.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            result => result.expect("it is taken"),
        }
    }
    daemon.has_at_most(descriptors);
    neighbour.sent();
}

#[test]
fn those_beyond_the_bound_read_why_and_those_before_go_on() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut held: Vec<_> = (0..MAX_CLIENTS).map(|_| connect(&daemon)).collect();
    let mut one_more = connect(&daemon);
    let said = answer(&mut one_more);
    assert!(said["error"].as_str().unwrap().contains("64 clients are connected"), "{said}");
    held[0].write_all(&frame(&json!({ "id": 1, "op": "status" }), b"")).unwrap();
    let status = answer(&mut held[0]);
    assert_eq!((&status["control"]["clients"], &status["control"]["turned_away"]), (&64.into(), &1.into()));
}

#[test]
fn half_a_long_frame_from_each_of_many_takes_what_has_come_and_no_more() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let before = daemon.most_memory();
    // 64 MiB promised, 64 KiB sent.
    let head =
        [&24_u32.to_le_bytes()[..], &(64_u32 << 20).to_le_bytes(), br#"{"id":1,"op":"respond"} "#].concat();
    let held: Vec<_> = (0..MAX_CLIENTS - 4)
        .map(|_| {
            let mut stream = connect(&daemon);
            stream.write_all(&head).unwrap();
            stream.set_nonblocking(true).unwrap();
            // Where there is no room for a frame so long, it is not read.
            let _ = stream.write(&[7; 64 << 10]);
            stream
        })
        .collect();
    neighbour.sent();
    daemon.took_at_most(before, held.len() as u64 * (256 << 10) + REGION + SLACK);
}

#[test]
fn a_topic_that_is_none_is_not_kept_however_long_it_is() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _stalled = Attacker::attached(&place.region_path(), uuid(1), "stalled");
    let mut client = daemon.client();
    let target = Target { guest: Some("stalled".into()), region: None };
    let send = |topic: String| Request::Send { target: target.clone(), topic, wait_ms: 60_000 };
    // One message waits for room; those behind it would, too.
    for _ in 0..8 {
        client.send_nowait(&send("t".into()), &[7; 20_000]).unwrap();
    }
    let before = daemon.most_memory();
    for _ in 0..100 {
        let id = client.send_nowait(&send("t".repeat(1_000_000)), b"").unwrap();
        let response = loop {
            let (response, _) = client.next_response(LIMIT).unwrap();
            if response.id == id {
                break response;
            }
        };
        assert_eq!(response.code, Code::BadInput, "{response:?}");
    }
    daemon.took_at_most(before, 4 * (1 << 20) + SLACK);
}

#[test]
fn what_clients_that_have_gone_asked_is_forgotten() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut guest = Attacker::attached(&place.region_path(), uuid(1), "silent");
    let target = Target { guest: Some("silent".into()), region: None };
    let mut client = daemon.client();
    let ask = Request::Request { target, topic: "t".into(), timeout_ms: u32::MAX };
    let mut requests = Vec::new();
    for _ in 0..100 {
        client.send_nowait(&ask, b"").unwrap();
    }
    guest.until("the requests", |guest| {
        requests.extend(guest.receive());
        requests.len() == 100
    });
    drop(client);
    // An answer that comes when nobody waits for it any more is dropped and counted; not only so after 49 days.
    let mut late = 0;
    until("nobody waits any more", || {
        let (_, id) = requests.pop().expect("some answers are still to be given");
        guest.end.respond(id, ivring_proto::link::Status::Ok, b"").expect("room");
        guest.is_heard();
        late = listed(&daemon, "silent")["late"].as_u64().unwrap();
        std::thread::sleep(Duration::from_millis(30));
        late > 0
    });
}

#[test]
fn topics_that_clients_serve_are_bounded_and_free_when_they_go() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut client = daemon.client();
    let mut refused = None;
    for number in 0..5000 {
        let topic = format!("{number:0>200}");
        if let Err(error) = client.call(&Request::Serve { topic }, b"") {
            refused = Some((number, error));
            break;
        }
    }
    let (served, error) = refused.expect("there is an end to it");
    assert_eq!((served, error.code()), (4096, Code::Refused));
    assert!(error.to_string().contains("4096 topics are served already"), "{error}");
    drop(client);
    let mut next = daemon.client();
    until("they are free", || next.call(&Request::Serve { topic: "time".into() }, b"").is_ok());
}

#[test]
fn requests_that_a_program_never_answers_are_bounded_for_each_guest() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let mut client = daemon.client();
    client.call(&Request::Serve { topic: "slow".into() }, b"").unwrap();
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "asker");
    let before = daemon.most_memory();
    for id in 0..3000 {
        attacker.request(id, "slow", b"?");
        attacker.receive();
    }
    // Those beyond the bound are answered at once.
    attacker.request(u64::MAX, "slow", b"?");
    attacker.until("the answer", |attacker| attacker.receive().iter().any(|(_, id)| *id == u64::MAX));
    daemon.took_at_most(before, REGION + SLACK);
    neighbour.sent();
    drop(client);
}

#[test]
fn what_stands_at_the_sockets_path_is_left_as_it_is_unless_it_is_a_socket_of_nobody() {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    let place = Place::new();
    let secret = place.directory().join("secret");
    fs::write(&secret, "precious").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let region = ["--region", place.region(), "--size", "1M"];
    for target in [secret.clone(), place.directory().join("nothing"), place.directory().to_owned()] {
        symlink(&target, place.socket()).unwrap();
        let (code, text) = Daemon::fails_with(&place, &region);
        assert!(code == 4 && text.contains("exists and is no socket"), "{text}");
        assert_eq!(fs::read_link(place.socket()).unwrap(), target);
        fs::remove_file(place.socket()).unwrap();
    }
    assert_eq!(fs::read(&secret).unwrap(), b"precious");
    assert_eq!(secret.metadata().unwrap().mode() & 0o777, 0o600);

    // One that a killed server left, open to everybody, is taken away, and the new one is as it should be.
    drop(UnixListener::bind(place.socket()).unwrap());
    fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o777)).unwrap();
    let daemon = Daemon::start(&place);
    let file = place.socket().symlink_metadata().unwrap();
    assert!(file.file_type().is_socket() && file.mode() & 0o777 == 0o660, "{:o}", file.mode());
    assert_eq!(file.uid(), fs::metadata(format!("/proc/{}", daemon.pid())).unwrap().uid());
}
