//! What an attached agent answers and passes on.

use std::time::Duration;

use ivring_proto::control::{Event, Request, Target};
use ivring_proto::link::{SendError, Status, Topic};

use crate::agent::{PATIENCE, Place, attached, wait_for};
use crate::host::{Heard, Host};

#[test]
fn answers_echo_info_ping_and_says_what_it_does_not_serve() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    host.request(0, 7, "ivring.echo", b"to and fro");
    assert_eq!(host.next(), Heard::Response { id: 7, status: Status::Ok, payload: b"to and fro".to_vec() });
    host.request(0, 8, "no.such", b"");
    assert_eq!(host.next(), Heard::Response { id: 8, status: Status::NoHandler, payload: Vec::new() });
    host.ping(0, 9);
    assert_eq!(host.next(), Heard::Pong { id: 9 });
    host.request(0, 10, "ivring.info", b"");
    let Heard::Response { id: 10, status: Status::Ok, payload } = host.next() else { panic!("no info") };
    let info: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(info["agent"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&info["name"], &info["profile"]), (&"guest1".into(), &"balanced".into()));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(info["kernel"], kernel.trim());
    assert!(info["uptime_seconds"].is_u64() && info["boot"].is_string(), "{info}");
}

/// Asks for `count` echoes of 30,000 bytes in one turn of the host, which receives nothing meanwhile.
fn ask_without_listening(host: &Host, count: u64) {
    host.with(move |ends| {
        let link = ends[0].link().unwrap();
        let mut asked = 0;
        while asked < count {
            match link.request(asked, Topic::new("ivring.echo").unwrap(), &[7; 30_000]) {
                Ok(()) => asked += 1,
                Err(SendError::Full { .. }) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
            link.flush();
        }
    });
}

#[test]
fn answers_wait_for_room_and_none_is_lost() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    // The ring holds five of them.
    ask_without_listening(&host, 20);
    for id in 0..20 {
        assert_eq!(host.next(), Heard::Response { id, status: Status::Ok, payload: vec![7; 30_000] });
    }
    assert_eq!(place.status().1["counters"]["answers_lost"], 0);
}

#[test]
fn a_host_that_asks_and_never_listens_costs_a_bounded_memory() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    ask_without_listening(&host, 100);
    let lost =
        wait_for("loss", || place.status().1["counters"]["answers_lost"].as_u64().filter(|lost| *lost > 0));
    assert!((50..=65).contains(&lost), "a megabyte is 34 of them, and the ring holds five: {lost}");
    for id in 0..30 {
        assert_eq!(host.next(), Heard::Response { id, status: Status::Ok, payload: vec![7; 30_000] });
    }
}

#[test]
fn a_thousand_messages_each_way_arrive_in_order() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let mut client = place.client();
    let mut heard = place.client().listen(Target::default(), None).unwrap();
    for number in 0..1000_u32 {
        let request = Request::Send { target: Target::default(), topic: "up".into(), wait_ms: 5000 };
        client.send_nowait(&request, &number.to_le_bytes()).unwrap();
        host.send(0, "down", &number.to_le_bytes());
    }
    for number in 0..1000_u32 {
        let payload = number.to_le_bytes().to_vec();
        assert_eq!(host.next(), Heard::Message { topic: "up".into(), payload, redelivered: false });
        let (event, payload) = heard.next_event(Some(PATIENCE)).unwrap().expect("a message");
        assert!(
            matches!(&event, Event::Message { topic, redelivered: false, .. } if topic == "down"),
            "{event:?}"
        );
        assert_eq!(payload, number.to_le_bytes());
    }
}
