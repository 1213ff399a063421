//! Requests on the control socket that no command makes.

use std::time::Duration;

use ivring_proto::control::{ClientError, Code, Pong, Request, Target};

use crate::agent::{Place, attached, wait_for};
use crate::host::Heard;

fn refused(result: Result<impl Sized, ClientError>) -> (Code, String) {
    match result {
        Err(ClientError::Refused { code, text, .. }) => (code, text),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was done"),
    }
}

#[test]
fn pings_and_requests_reach_the_host_and_come_back() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let mut client = place.client();
    let ping = |bytes| Request::Ping { target: Target::default(), bytes, timeout_ms: 5000 };
    let (response, _) = client.call(&ping(56), &[]).unwrap();
    assert!(response.payload::<Pong>().unwrap().round_trip_ns > 0);
    // One answer for each: none when the time is over that it was given.
    client.call(&Request::Ping { target: Target::default(), bytes: 0, timeout_ms: 200 }, &[]).unwrap();
    let second = client.next_response(Duration::from_millis(400));
    assert!(matches!(second, Err(ClientError::TimedOut { .. })), "{second:?}");
    let (code, text) = refused(client.call(&ping(u32::MAX), &[]));
    assert_eq!(code, Code::BadInput, "{text}");
    assert!(text.contains("4294967295 bytes exceed the largest message of"), "{text}");

    let request = |topic: &str, timeout_ms| Request::Request {
        target: Target::default(),
        topic: topic.to_owned(),
        timeout_ms,
    };
    let (_, body) = client.call(&request("double", 5000), b"ab").unwrap();
    assert_eq!(body, b"abab");
    let (code, text) = refused(client.call(&request("nonsense", 5000), b""));
    assert_eq!((code, text.as_str()), (Code::Refused, "nobody on the host serves that topic"));
    assert_eq!(refused(client.call(&request("", 5000), b"")).0, Code::BadInput);

    let going_on = host.pause();
    let (code, text) = refused(client.call(&request("double", 50), b"ab"));
    assert_eq!((code, text.as_str()), (Code::Negative, "no answer from the host within 50 ms"));
    // The late answer is nobody's, and the next call gets its own.
    drop(going_on);
    let (_, body) = client.call(&request("double", 5000), b"cd").unwrap();
    assert_eq!(body, b"cdcd");
}

#[test]
fn calls_are_answered_when_the_session_ends() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let going_on = host.pause();
    let mut client = place.client();
    let target = Target::default();
    client.send_nowait(&Request::Ping { target, bytes: 0, timeout_ms: 60_000 }, &[]).unwrap();
    wait_for("ping", || (place.status().1["counters"]["sent"] == 1).then_some(()));
    crate::host::close_region(&place.region());
    let (response, _) = client.next_response(Duration::from_secs(20)).unwrap();
    assert_eq!((response.ok, response.code), (false, Code::Failure));
    assert!(response.error.unwrap().contains("detached before the host answered"));
    drop(going_on);
}

#[test]
fn an_agent_knows_one_host_and_no_guests() {
    let place = Place::new();
    let (_host, _agent) = attached(&place);
    let mut client = place.client();
    let web1 = || Target { guest: Some("web1".into()), region: None };
    assert_eq!(refused(client.call(&Request::List, &[])).0, Code::Refused);
    assert_eq!(refused(client.call(&Request::Evict { target: web1() }, &[])).0, Code::Refused);
    let send = Request::Send { target: web1(), topic: "t".into(), wait_ms: 0 };
    let (code, text) = refused(client.call(&send, b"x"));
    assert_eq!(code, Code::Usage);
    assert!(text.contains("leave `guest` and `region` out"), "{text}");
    let listen = Request::Listen { target: web1(), topic: None };
    assert_eq!(refused(client.call(&listen, &[])).0, Code::Usage);
}

#[test]
fn messages_that_wait_keep_their_order() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let going_on = host.pause();
    let mut client = place.client();
    let send = |wait_ms| Request::Send { target: Target::default(), topic: "t".into(), wait_ms };
    // More than the ring holds; small ones behind large ones must not overtake them.
    for number in 0..20_u8 {
        let length = if number % 2 == 0 { 50_000 } else { 1 };
        client.send_nowait(&send(20_000), &vec![number; length]).unwrap();
    }
    for patience in [0, 100] {
        let (code, text) = refused(place.client().call(&send(patience), b"x"));
        assert_eq!(code, Code::Refused, "{text}");
        assert!(text.contains("messages wait for room already"), "{text}");
    }
    drop(going_on);
    for number in 0..20_u8 {
        let Heard::Message { payload, .. } = host.next() else { panic!("no message {number}") };
        assert_eq!(payload[0], number);
    }
    for _ in 0..20 {
        assert!(client.next_response(Duration::from_secs(20)).unwrap().0.ok);
    }
}
