//! Clients that send nonsense, too much, or don't read.

use std::io::Write;

use ivring_proto::control::{Code, MAX_BODY, MAX_CLIENTS, MAX_HEADER, MAX_UNANSWERED, Request, Response};
use proptest::prelude::*;
use serde_json::json;

use crate::raw_client::{RawClient, poll_all, server};

fn low(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[test]
fn a_frame_out_of_bounds_closes_that_connection_only() {
    let (directory, mut server) = server();
    let mut good = RawClient::connect(&directory);
    for (header, body, named) in [
        (MAX_HEADER + 1, 0, "header of 1048577 bytes"),
        (2, MAX_BODY + 1, "body of 67108865 bytes"),
        (usize::MAX, usize::MAX, "header of 4294967295 bytes"),
    ] {
        let mut bad = RawClient::connect(&directory);
        bad.stream.write_all(&[low(header), low(body)].concat()).unwrap();
        assert!(poll_all(&mut server).is_empty());
        let response = bad.response(&mut server);
        assert_eq!((response.id, response.ok, response.code), (0, false, Code::BadInput));
        assert!(response.error.unwrap().contains(named));
        assert!(bad.is_closed());
    }
    good.send(r#"{"id":1,"op":"status"}"#, &[]);
    assert_eq!(poll_all(&mut server).len(), 1);
    assert_eq!(server.counts().clients, 1);
}

#[test]
fn a_header_that_is_no_request_closes() {
    let (directory, mut server) = server();
    for header in [
        "",
        "{",
        "[]",
        "\u{0}",
        r#"{"op":"status"}"#,
        r#"{"id":0,"op":"status"}"#,
        r#"{"id":-1,"op":"status"}"#,
    ] {
        let mut bad = RawClient::connect(&directory);
        bad.send(header, &[]);
        assert!(poll_all(&mut server).is_empty());
        let response = bad.response(&mut server);
        assert_eq!((response.id, response.ok, response.code), (0, false, Code::BadInput), "{header}");
        assert!(bad.is_closed());
    }
    let deep = "[".repeat(MAX_HEADER / 2);
    let mut bad = RawClient::connect(&directory);
    bad.stream.write_all(&[low(deep.len()), low(0)].concat()).unwrap();
    for part in deep.as_bytes().chunks(64 << 10) {
        bad.stream.write_all(part).unwrap();
        server.poll();
    }
    poll_all(&mut server);
    assert_eq!(bad.response(&mut server).id, 0);
}

#[test]
fn an_unknown_request_is_answered_and_the_connection_goes_on() {
    let (directory, mut server) = server();
    let mut client = RawClient::connect(&directory);
    client.send(r#"{"id":8,"op":"dance"}"#, b"body");
    client.send(r#"{"id":9,"op":"send"}"#, b"body");
    client.send(r#"{"id":10,"op":"status","new":true}"#, &[]);
    let incoming = poll_all(&mut server);
    assert_eq!((incoming.len(), incoming[0].id, &incoming[0].request), (1, 10, &Request::Status));
    for (id, named) in [(8, "dance"), (9, "topic")] {
        let response = client.response(&mut server);
        assert_eq!((response.id, response.ok, response.code), (id, false, Code::Usage));
        assert!(response.error.unwrap().contains(named));
    }
}

#[test]
fn an_error_longer_than_a_frame_is_cut_short() {
    let (directory, mut server) = server();
    let mut client = RawClient::connect(&directory);
    // Each of these characters takes six bytes when the error is written as JSON again.
    let header = json!({"id": 1, "op": "\u{1}".repeat((MAX_HEADER - 20) / 6)}).to_string();
    client.stream.write_all(&[low(header.len()), low(0)].concat()).unwrap();
    for part in header.as_bytes().chunks(64 << 10) {
        client.stream.write_all(part).unwrap();
        server.poll();
    }
    poll_all(&mut server);
    let response = client.response(&mut server);
    assert_eq!((response.id, response.ok, response.code), (1, false, Code::Failure));
    assert!(response.error.unwrap().contains("at most 1048576"));
    assert_eq!(server.counts().clients, 1);
}

#[test]
fn bytes_may_come_one_by_one() {
    let (directory, mut server) = server();
    let mut client = RawClient::connect(&directory);
    let header = br#"{"id":1,"op":"list"}"#;
    let bytes = [&low(header.len())[..], &low(3), header, b"abc"].concat();
    for (at, byte) in bytes.iter().enumerate() {
        client.stream.write_all(&[*byte]).unwrap();
        server.poll_fds(&mut Vec::new());
        let incoming = poll_all(&mut server);
        assert_eq!(incoming.len(), usize::from(at + 1 == bytes.len()));
    }
}

#[test]
fn one_poll_serves_64_requests_of_a_client() {
    let (directory, mut server) = server();
    let mut eager = RawClient::connect(&directory);
    let mut other = RawClient::connect(&directory);
    for _ in 0..200 {
        eager.send(r#"{"id":1,"op":"status"}"#, &[]);
    }
    other.send(r#"{"id":2,"op":"status"}"#, &[]);
    server.poll();
    let counts: Vec<_> = (0..5)
        .map(|_| {
            let left = server.has_requests();
            (server.poll().len(), left)
        })
        .collect();
    assert_eq!(counts, [(64 + 1, false), (64, true), (64, true), (8, true), (0, false)]);
}

#[test]
fn unanswered_requests_are_bounded() {
    let (directory, mut server) = server();
    let mut client = RawClient::connect(&directory);
    let mut waiting = Vec::new();
    for _ in 0..=MAX_UNANSWERED / 50 {
        for _ in 0..50 {
            client.send(r#"{"id":1,"op":"status"}"#, &[]);
        }
        waiting.extend(poll_all(&mut server));
    }
    assert_eq!(waiting.len(), MAX_UNANSWERED);
    assert!(!server.has_requests());
    for incoming in waiting {
        server.reply(incoming.client, &Response::done(incoming.id), &[]);
    }
    assert_eq!(poll_all(&mut server).len(), 50 - MAX_UNANSWERED % 50);
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_then_closed() {
    let (directory, mut server) = server();
    let mut client = RawClient::connect(&directory);
    for id in 1..=4 {
        client.send(&format!(r#"{{"id":{id},"op":"status"}}"#), &[]);
    }
    let incoming = poll_all(&mut server);
    let body = vec![0; 40 << 20];
    server.reply(incoming[0].client, &Response::done(1), &body);
    client.send(r#"{"id":5,"op":"status"}"#, &[]);
    assert!(poll_all(&mut server).is_empty(), "nothing more is done for it");
    assert!(!server.has_requests());
    for (at, clients) in [(1, 1), (2, 1), (3, 0)] {
        server.reply(incoming[at].client, &Response::done(incoming[at].id), &body);
        server.flush();
        assert_eq!(server.counts().clients, clients);
    }
    server.reply(incoming[0].client, &Response::done(9), &[]);
}

#[test]
fn a_client_that_left_is_forgotten() {
    let (directory, mut server) = server();
    let mut client = RawClient::connect(&directory);
    client.send(r#"{"id":1,"op":"status"}"#, &[]);
    let incoming = poll_all(&mut server);
    drop(client);
    poll_all(&mut server);
    assert_eq!(server.counts().clients, 0);
    server.reply(incoming[0].client, &Response::done(1), &[]);
    server.listen(incoming[0].client, 1, Default::default());
    let mut next = RawClient::connect(&directory);
    next.send(r#"{"id":1,"op":"status"}"#, &[]);
    assert_ne!(poll_all(&mut server)[0].client, incoming[0].client);
    assert!(next.receive(&mut server).is_none());
}

#[test]
fn a_client_that_leaves_while_it_is_not_read_from_is_noticed() {
    let (directory, mut server) = server();
    let mut with_too_many = RawClient::connect(&directory);
    for _ in 0..=MAX_UNANSWERED / 50 {
        for _ in 0..50 {
            with_too_many.send(r#"{"id":1,"op":"status"}"#, &[]);
        }
        poll_all(&mut server);
    }
    let mut reading_nothing = RawClient::connect(&directory);
    reading_nothing.send(r#"{"id":1,"op":"status"}"#, &[]);
    let incoming = poll_all(&mut server);
    server.reply(incoming[0].client, &Response::done(1), &vec![0; 5 << 20]);
    server.flush();
    assert_eq!(server.counts().clients, 2);
    drop((with_too_many, reading_nothing));
    server.poll();
    assert_eq!(server.counts().clients, 0);
}

#[test]
fn clients_are_bounded() {
    let (directory, mut server) = server();
    let clients: Vec<_> = (0..MAX_CLIENTS + 3)
        .map(|_| {
            let client = RawClient::connect(&directory);
            server.poll();
            client
        })
        .collect();
    assert_eq!(server.counts().clients, MAX_CLIENTS);
    assert_eq!(server.counts().turned_away, 3);
    drop(clients);
    poll_all(&mut server);
    assert_eq!(server.counts().clients, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_leave_the_server_whole(pieces in proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            Just(b"\x16\0\0\0\x02\0\0\0{\"id\":1,\"op\":\"status\"}ab".to_vec()),
            Just(b"\x16\0\0\0\x00\0\0\0{\"id\":1,\"op\":\"dances\"}".to_vec()),
        ],
        0..20,
    )) {
        let (directory, mut server) = server();
        let mut bad = RawClient::connect(&directory);
        let mut good = RawClient::connect(&directory);
        for piece in pieces {
            let _ = bad.stream.write_all(&piece);
            for incoming in server.poll() {
                server.reply(incoming.client, &Response::done(incoming.id), &[]);
            }
        }
        good.send(r#"{"id":77,"op":"status"}"#, &[]);
        prop_assert!(poll_all(&mut server).iter().any(|incoming| incoming.id == 77));
    }
}
