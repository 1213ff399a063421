//! Requests both ways, and what else only programs ask.

use std::time::Duration;

use ivring_proto::control::{ClientError, Code, Request, Target};
use ivring_proto::link::{Status, Topic};
use serde_json::Value;

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";
const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

fn to_web1() -> Target {
    Target { guest: Some("web1".into()), region: None }
}

#[test]
fn a_guest_answers_a_client() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut client = daemon.client();
    let mut request = |topic: &str, body: &[u8]| {
        let request = Request::Request { target: to_web1(), topic: topic.into(), timeout_ms: 60_000 };
        client.call(&request, body)
    };
    assert_eq!(request("ivring.echo", b"ping").unwrap().1, b"ping");
    let Err(ClientError::Refused { code, text, .. }) = request("nothing", b"") else { panic!("it answers") };
    assert_eq!((code, &text[..]), (Code::Refused, "web1 serves nothing on the topic `nothing`"));

    // Who detaches does not answer any more.
    let pause = guest.pause();
    let request = Request::Request { target: to_web1(), topic: "t".into(), timeout_ms: 600_000 };
    let waiting = client.send_nowait(&request, &[]).unwrap();
    daemon.json(&["evict", "web1"]);
    let (response, _) = client.next_response(LIMIT).unwrap();
    assert_eq!((response.id, response.code), (waiting, Code::Negative), "{response:?}");
    drop(pause);
}

#[test]
fn no_guest_answers_for_another() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let asked = FakeGuest::attached(&place.region_path(), A, "web1");
    let forger = FakeGuest::attached(&place.region_path(), B, "web2");
    let request = asked.begin(|guest| {
        let mut buffer = vec![0; 4096];
        loop {
            if let Ok(Some(request)) = guest.receive(Duration::ZERO, &mut buffer) {
                return request.id;
            }
        }
    });
    let mut client = daemon.client();
    let ask = Request::Request { target: to_web1(), topic: "t".into(), timeout_ms: 600_000 };
    client.send_nowait(&ask, &[]).unwrap();
    let id = request.recv_timeout(LIMIT).unwrap();
    forger.run(move |guest| guest.respond(id, Status::Ok, b"forged").expect("room"));
    forger.is_heard();
    asked.run(move |guest| guest.respond(id, Status::Ok, b"true").expect("room"));
    let (response, body) = client.next_response(LIMIT).unwrap();
    assert_eq!((response.ok, &body[..]), (true, &b"true"[..]));
}

#[test]
fn an_eviction_is_answered_when_the_channel_is_free() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut client = daemon.client();
    client.call(&Request::Evict { target: to_web1() }, &[]).unwrap();
    let (list, _) = client.call(&Request::List, &[]).unwrap();
    assert_eq!(list.data["guests"], Value::Array(Vec::new()));
}

#[test]
fn the_host_answers_a_guest() {
    let place = Place::new();
    let _daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let ask = |id: u64, topic: &'static str, payload: &'static [u8]| {
        guest.run(move |guest| {
            let link = guest.link().expect("attached");
            link.request(id, Topic::new(topic).expect("a topic"), payload).expect("room");
            link.flush();
        });
        match guest.wait_for(|seen| matches!(seen, Seen::Response { .. })) {
            Seen::Response { id: answered, status, payload } if answered == id => (status, payload),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(1, "ivring.echo", b"hello"), (Status::Ok, b"hello".to_vec()));
    assert_eq!(ask(2, "nothing", b"hello"), (Status::NoHandler, Vec::new()));
    let (status, info) = ask(3, "ivring.info", b"");
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!((status, &info["region"]), (Status::Ok, &place.region().into()));
    assert!(info["uptime_ms"].is_u64() && info["version"].is_string(), "{info}");
}

#[test]
fn answers_wait_for_a_guest_that_is_slow() {
    // Three times what its ring holds.
    const REQUESTS: u64 = 20;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    guest.run(|guest| {
        let link = guest.link().expect("attached");
        let topic = Topic::new("ivring.echo").expect("a topic");
        for id in 0..REQUESTS {
            // Nothing is received meanwhile, and the host takes requests also while the guest's ring is full.
            while link.request(id, topic, &[7; 10_000]).is_err() {
                std::thread::yield_now();
            }
            link.flush();
        }
    });
    for id in 0..REQUESTS {
        match guest.wait_for(|seen| matches!(seen, Seen::Response { .. })) {
            Seen::Response { id: answered, payload, .. } => {
                assert_eq!((answered, payload.len()), (id, 10_000));
            }
            other => unreachable!("{other:?}"),
        }
    }
    assert!(!daemon.stopped().contains("is lost"));
}

#[test]
fn many_messages_at_once_arrive_in_order() {
    const MESSAGES: u64 = 20_000;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut client = daemon.client();
    for number in 0..MESSAGES {
        let request = Request::Send { target: to_web1(), topic: "t".into(), wait_ms: 60_000 };
        client.send_nowait(&request, &number.to_le_bytes()).unwrap();
    }
    for number in 0..MESSAGES {
        assert_eq!(guest.message().1, number.to_le_bytes());
    }
    for _ in 0..MESSAGES {
        let (response, _) = client.next_response(LIMIT).unwrap();
        assert!(response.ok, "{response:?}");
    }
}

#[test]
fn messages_that_nobody_wants_are_counted() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&["--topic", "wanted"]);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    for _ in 0..5 {
        guest.send("unwanted", b"x");
    }
    guest.send("wanted", b"x");
    assert_eq!(listen.line(), "web1 wanted: x");
    let status = daemon.status();
    assert_eq!(status["unheard"], 5, "{status}");
    assert_eq!(
        (&status["regions"][0]["region"], &status["regions"][0]["guests"]),
        (&place.region().into(), &1.into())
    );
}
