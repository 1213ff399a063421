//! Clients beside each other, and what becomes of what they send.

use std::time::{Duration, Instant};

use ivring_host::{ClientSendError, Event, HostSendError, SendError};
use ivring_proto::control::{ClientError, Code, Request, Target};

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

fn to_web1() -> Target {
    Target { guest: Some("web1".into()), region: None }
}

#[test]
fn one_client_is_stuck_and_the_other_loses_nothing() {
    const MESSAGES: u64 = 2000;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut live = daemon.host_client();
    let mut stuck = daemon.host_client();
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut next = 0;
    let mut hear = |until: u64| {
        let deadline = Instant::now() + LIMIT;
        while next < until {
            assert!(Instant::now() < deadline, "{next} of {until} are heard");
            match live.wait(Duration::from_millis(20)) {
                Some(Event::Message { payload, .. }) => {
                    assert_eq!(payload[..8], next.to_le_bytes());
                    next += 1;
                }
                Some(Event::Missed { count }) => panic!("{count} are missing"),
                _ => {}
            }
        }
    };
    let mut payload = vec![0; 10_000];
    for number in 0..MESSAGES {
        payload[..8].copy_from_slice(&number.to_le_bytes());
        guest.send("t", &payload);
        hear(number.saturating_sub(100));
    }
    hear(MESSAGES);
    assert!(daemon.status()["control"]["events_lost"].as_u64().unwrap() > 0);

    // The stuck one reads what was kept for it, and how many are missing.
    let (mut heard, mut missed) = (0, 0);
    let deadline = Instant::now() + LIMIT;
    while heard + missed < MESSAGES {
        assert!(Instant::now() < deadline, "{heard} heard, {missed} missed");
        match stuck.wait(Duration::from_millis(20)) {
            Some(Event::Message { payload, .. }) => {
                assert_eq!(payload[..8], (heard + missed).to_le_bytes());
                heard += 1;
            }
            Some(Event::Missed { count }) => missed += count,
            _ => {}
        }
    }
    assert!(missed > 0 && heard > 0);
}

#[test]
fn large_messages_both_ways_while_pings_go_on() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut client = daemon.host_client();
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let who = client.guests()[0].identity;
    let payload: Vec<u8> = (0..64 << 20).map(|at: u32| at.to_le_bytes()[(at % 3) as usize]).collect();
    let sent = client.send(&who, "down", &payload).unwrap();
    guest.send_large("up", payload.clone());
    let (mut delivered, mut arrived, mut pongs) = (false, false, 0);
    let mut ping = client.ping(&who, &[], LIMIT).unwrap();
    let deadline = Instant::now() + LIMIT;
    while !(delivered && arrived) {
        assert!(Instant::now() < deadline, "{delivered} {arrived} {pongs}");
        match client.wait(Duration::from_millis(20)) {
            Some(Event::Delivered { id, .. }) => delivered = id == sent,
            Some(Event::Message { payload: up, .. }) => {
                assert!(up == payload);
                arrived = true;
            }
            Some(Event::Pong { id, .. }) => {
                assert_eq!(id, ping);
                pongs += 1;
                ping = client.ping(&who, &[], LIMIT).unwrap();
            }
            Some(event @ (Event::Missed { .. } | Event::Unanswered { .. })) => panic!("{event:?}"),
            _ => {}
        }
    }
    assert!(guest.message().1 == payload);
    assert!(pongs > 0);
}

#[test]
fn a_send_in_fragments_is_answered_when_it_is_taken_or_cannot_be() {
    let place = Place::new();
    let daemon = Daemon::start_with(
        &place,
        &["--region", place.region(), "--size", "1M", "--channels", "4", "--max-message", "1M"],
    );
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut client = daemon.client();
    let send = Request::Send { target: to_web1(), topic: "t".into(), wait_ms: 60_000 };
    let (response, _) = client.call(&send, &vec![7; 1 << 20]).unwrap();
    assert_eq!((response.code, guest.message().1.len()), (Code::Done, 1 << 20));
    let error = client.call(&send, &vec![7; (1 << 20) + 1]).unwrap_err();
    assert_eq!(error.code(), Code::BadInput);
    assert!(error.to_string().contains("1048576"), "{error}");

    let pause = guest.pause();
    let sent = client.send_nowait(&send, &vec![7; 1 << 20]).unwrap();
    let asks = Request::Request { target: to_web1(), topic: "t".into(), timeout_ms: 600_000 };
    let asked = client.send_nowait(&asks, &vec![7; 1 << 19]).unwrap();
    daemon.json(&["evict", "web1"]);
    for _ in 0..2 {
        let (response, _) = client.next_response(LIMIT).unwrap();
        let code = if response.id == sent { Code::Failure } else { Code::Negative };
        assert!(response.id == sent || response.id == asked);
        assert_eq!(response.code, code, "{response:?}");
    }
    drop(pause);
}

#[test]
fn what_clients_have_under_way_is_bounded() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let pause = guest.pause();
    let mut client = daemon.client();
    let body = vec![7; 64 << 20];
    let mut send = |wait_ms| {
        let send = Request::Send { target: to_web1(), topic: "t".into(), wait_ms };
        client.send_nowait(&send, &body).unwrap()
    };
    // Two are kept by the link, two wait, and there is no room for a fifth.
    let sent: Vec<u64> = (0..4).map(|_| send(600_000)).collect();
    let refused = send(600_000);
    let (response, _) = client.next_response(LIMIT).unwrap();
    assert_eq!((response.id, response.code), (refused, Code::Refused), "{response:?}");
    assert!(response.error.unwrap().contains("too many"));
    // Others go on, and what was taken arrives.
    daemon.ok(&["ls"]);
    drop(pause);
    for id in sent {
        let (response, _) = client.next_response(LIMIT).unwrap();
        assert_eq!((response.id, response.code), (id, Code::Done), "{response:?}");
        assert!(guest.message().1 == body);
    }
}

#[test]
fn a_full_ring_and_a_long_message_are_told_as_by_a_host() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut client = daemon.host_client();
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let who = client.guests()[0].identity;
    let pause = guest.pause();
    let error = (0..100).find_map(|_| client.send(&who, "t", &[0; 20_000]).err()).expect("it is full");
    assert!(
        matches!(error, ClientSendError::Host(HostSendError::Send(SendError::Full { free, .. })) if free < 30_000),
        "{error:?}"
    );
    let error = client.send(&who, "", b"").unwrap_err();
    assert!(matches!(error, ClientSendError::Host(HostSendError::Topic(_))), "{error:?}");
    drop(pause);
}

#[test]
fn the_end_of_the_daemon_is_told_once() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut client = daemon.host_client();
    daemon.stopped();
    assert!(matches!(client.wait(LIMIT), Some(Event::Disconnected { .. })));
    assert!(client.wait(Duration::from_millis(10)).is_none() && client.poll().is_none());
    assert!(client.guests().is_empty());
    let error = client.serve("t").unwrap_err();
    assert!(matches!(error, ClientSendError::Daemon(ClientError::Closed)), "{error:?}");
}
