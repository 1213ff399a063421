//! Inputs to begin with: streams of real frames, every header there is, and clients.

use ivring_proto::control::{Answer, Call, Code, Event, MAX_BODY, Pong, Request, Response, Target, encode};
use serde_json::json;

use super::run;
use crate::seed::Seed;

const STREAM: u8 = 0;
const HEADER: u8 = 1;
const NAME: u8 = 2;
const SERVER: u8 = 3;

fn calls() -> Vec<Call> {
    let target = || Target { guest: Some("web1:agent".to_owned()), region: Some("fg_i3".to_owned()) };
    let topic = || "greeting".to_owned();
    let requests = [
        Request::Status,
        Request::List,
        Request::Ping { target: target(), bytes: 56, timeout_ms: 100 },
        Request::Send { target: target(), topic: topic(), wait_ms: 7 },
        Request::Request { target: Target::default(), topic: topic(), timeout_ms: 5000 },
        Request::Listen { target: Target::default(), topic: None },
        Request::Listen { target: target(), topic: Some(topic()) },
        Request::Serve { topic: topic() },
        Request::Respond { request: 7, status: Answer::Failed },
        Request::Evict { target: target() },
    ];
    (1..).zip(requests).map(|(id, request)| Call { id, early: id % 3 == 0, request }).collect()
}

fn frame(header: &impl serde::Serialize, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(header, body, &mut frame).expect("it fits a frame");
    frame
}

#[test]
fn a_stream_is_cut_anywhere() {
    let frames: Vec<u8> = calls().iter().flat_map(|call| frame(call, b"body")).collect();
    let seed = Seed::default().bytes([STREAM, 9]).bytes([1, 2, 3, 4, 5, 6, 7, 8, 200]);
    let reached = run(&seed.bytes(frames).save("control", "stream"));
    assert_eq!((reached.frames, reached.understood, reached.out_of_bounds), (10, 10, false));
    // One whose body is long enough to be read in another way.
    let long = frame(&json!({}), &[7; 70_000]);
    assert_eq!(
        run(&Seed::default()
            .bytes([STREAM, 0])
            .bytes(long)
            .bytes(frame(&json!({}), b""))
            .save("control", "long"))
        .frames,
        2
    );
    let too_long = u32::try_from(MAX_BODY + 1).expect("it fits").to_le_bytes();
    let seed =
        Seed::default().bytes([STREAM, 0]).bytes(frame(&json!({}), b"")).bytes([2, 0, 0, 0]).bytes(too_long);
    let reached = run(&seed.save("control", "too-long"));
    assert_eq!((reached.frames, reached.out_of_bounds), (1, true));
}

#[test]
fn every_header_is_understood() {
    let headers = calls().into_iter().map(|call| json!(call)).chain([
        json!(Response::done(1)),
        json!(Response::carrying(2, &Pong { round_trip_ns: 512 })),
        json!(Response::failed(3, Code::Refused, "no")),
        json!(Event::Lost { count: 3 }),
        json!({"event": "message", "region": "r", "guest": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "port": "agent",
               "name": "web1", "topic": "t", "message": 4, "redelivered": true}),
        json!({"event": "attached", "region": "r", "channel": 3, "resumed": true}),
        json!({"event": "detached", "region": "r", "reason": "bye", "code": 1}),
        json!({"event": "delivered", "region": "r", "message": 3}),
        json!({"event": "undelivered", "region": "r", "count": 3, "first": 1}),
    ]);
    for (number, header) in headers.enumerate() {
        let seed = Seed::default().bytes([HEADER]).bytes(header.to_string());
        let reached = run(&seed.save("control", &format!("header-{number}")));
        assert!(reached.understood > 0, "{header}");
    }
}

#[test]
fn names_are_taken_apart() {
    for name in ["web1", "web1:agent", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7:"] {
        let seed = Seed::default().bytes([NAME, 0]).bytes(name);
        assert_eq!(run(&seed.save("control", "name")).understood, u32::from(!name.ends_with(':')));
    }
}

#[test]
fn clients_are_served_beside_each_other() {
    let seed = calls().iter().fold(Seed::default().bytes([SERVER]), |seed, call| {
        let header = serde_json::to_vec(call).expect("it is written");
        let length = u8::try_from(header.len()).expect("it is short");
        seed.bytes([0, length, 4])
            .bytes(header)
            .bytes(b"body")
            .bytes([4, 6, 0, 8])
            .bytes(b"gree")
            .bytes([9, 10])
    });
    let reached = run(&seed.save("control", "clients"));
    assert!(reached.requests > 10 && reached.answers >= 10 && !reached.closed, "{reached:?}");
    let seed = Seed::default().bytes([SERVER, 3, 8]).bytes([255; 8]).bytes([4, 9, 10]);
    assert!(run(&seed.save("control", "nonsense")).closed);
}
