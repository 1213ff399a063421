//! Events and those who listen.

use std::time::Duration;

use ivring_proto::control::{
    ClientError, Code, Event, Filter, GuestIdentity, MAX_BODY, Request, Response, Server, Target,
};
use serde_json::Value;

use crate::raw_client::{RawClient, poll_all, server};
use crate::served::Served;

const SOON: Option<Duration> = Some(Duration::from_secs(30));

fn message(name: &str, topic: &str, message: u64) -> Event {
    Event::Message {
        region: "fg_i3".into(),
        from: Some(GuestIdentity {
            uuid: "6b7c1f2e-0000-4000-8000-000000000001".into(),
            port: "agent".into(),
            name: name.into(),
        }),
        topic: topic.into(),
        message,
        redelivered: false,
    }
}

/// Connects a client that listens, and reads the answer.
fn listener(directory: &tempfile::TempDir, server: &mut Server, request: &str) -> RawClient {
    let mut client = RawClient::connect(directory);
    client.send(request, &[]);
    for incoming in poll_all(server) {
        let Request::Listen { target, topic } = incoming.request else { panic!("no listen") };
        server.listen(incoming.client, incoming.id, Filter::new(target, topic).expect("a filter"));
    }
    assert!(client.response(server).ok);
    client
}

/// Reads until there is nothing.
fn drain(server: &mut Server, client: &mut RawClient) -> Vec<Value> {
    std::iter::from_fn(|| client.receive(server)).map(|(header, _)| header).collect()
}

#[test]
fn listeners_get_what_they_asked_for() {
    let (directory, mut server) = server();
    assert!(!server.has_listeners());
    assert_eq!(server.publish(&message("web1", "log", 1), b"nobody").unwrap(), 0);
    let mut all = listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#);
    let mut logs = listener(&directory, &mut server, r#"{"id":1,"op":"listen","topic":"log"}"#);
    let mut web1 = listener(&directory, &mut server, r#"{"id":1,"op":"listen","guest":"web1"}"#);
    assert!(server.has_listeners());
    assert_eq!(server.counts().listeners, 3);

    assert_eq!(server.publish(&message("web1", "log", 2), b"both").unwrap(), 3);
    assert_eq!(server.publish(&message("db1", "metrics", 3), b"none").unwrap(), 1);
    let (header, body) = all.receive(&mut server).unwrap();
    assert_eq!(
        (&header["event"], &header["message"], &body[..]),
        (&"message".into(), &2.into(), &b"both"[..])
    );
    assert_eq!(all.receive(&mut server).unwrap().1, b"none");
    for client in [&mut logs, &mut web1] {
        assert_eq!(client.receive(&mut server).unwrap().1, b"both");
        assert!(client.receive(&mut server).is_none());
    }
}

#[test]
fn a_second_listen_replaces_the_filter_and_requests_go_on() {
    let (directory, mut server) = server();
    let mut client = listener(&directory, &mut server, r#"{"id":1,"op":"listen","topic":"log"}"#);
    client.send(r#"{"id":2,"op":"listen","topic":"metrics"}"#, &[]);
    for incoming in poll_all(&mut server) {
        let Request::Listen { target, topic } = incoming.request else { panic!("no listen") };
        server.listen(incoming.client, incoming.id, Filter::new(target, topic).unwrap());
    }
    client.send(r#"{"id":3,"op":"status"}"#, &[]);
    let status = poll_all(&mut server).remove(0);
    server.publish(&message("web1", "log", 1), &[]).unwrap();
    server.publish(&message("web1", "metrics", 2), &[]).unwrap();
    server.reply(status.client, &Response::done(status.id), &[]);
    let got = drain(&mut server, &mut client);
    assert_eq!(got.len(), 3);
    assert_eq!((&got[0]["id"], &got[1]["topic"], &got[2]["id"]), (&2.into(), &"metrics".into(), &3.into()));
}

#[test]
fn a_slow_listener_loses_by_count_and_others_nothing() {
    const EVENTS: u64 = 1000;
    let (directory, mut server) = server();
    let mut slow = listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#);
    let mut quick = listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#);
    let body = vec![5; 16 << 10];
    let mut got = Vec::new();
    for at in 0..EVENTS {
        server.publish(&message("web1", "log", at), &body).unwrap();
        got.extend(drain(&mut server, &mut quick));
    }
    assert_eq!(got.len(), 1000);
    assert!(server.counts().events_lost > 0);

    let got = drain(&mut server, &mut slow);
    let mut expected = 0;
    let mut gaps = 0;
    for header in got {
        if header["event"] == "lost" {
            expected += header["count"].as_u64().unwrap();
            assert_eq!(header["count"], server.counts().events_lost);
            gaps += 1;
        } else {
            assert_eq!(header["message"], expected, "the gap is told where it is");
            expected += 1;
        }
    }
    assert_eq!((expected, gaps), (EVENTS, 1));
    assert_eq!(server.publish(&message("web1", "log", EVENTS), &body).unwrap(), 2);
    assert_eq!(drain(&mut server, &mut slow).len(), 1);
}

#[test]
fn an_event_that_fits_no_frame_reaches_nobody() {
    let (directory, mut server) = server();
    let mut client = listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#);
    assert!(server.publish(&message("web1", "log", 1), &vec![0; MAX_BODY + 1]).is_err());
    server.publish(&message("web1", "log", 2), &vec![0; MAX_BODY]).unwrap();
    let got = drain(&mut server, &mut client);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["message"], 2);
}

#[test]
fn a_listener_blocks_for_events_and_sees_the_end() {
    let served = Served::run(move |server, incoming| match incoming.request {
        Request::Listen { target, topic } => {
            server.listen(incoming.client, incoming.id, Filter::new(target, topic).expect("a filter"));
            server.publish(&message("web1", "log", 1), b"at once").expect("it fits");
        }
        _ => {
            server.publish(&message("web1", "log", 2), &incoming.body).expect("it fits");
            server.reply(incoming.client, &Response::done(incoming.id), &[]);
        }
    });
    let mut listener = served.client().listen(Target::default(), Some("log".into())).unwrap();
    assert_eq!(listener.next_event(SOON).unwrap().unwrap(), (message("web1", "log", 1), b"at once".to_vec()));
    assert!(listener.next_event(Some(Duration::from_millis(5))).unwrap().is_none());
    served.client().call(&Request::Status, b"later").unwrap();
    assert_eq!(listener.next_event(None).unwrap().unwrap(), (message("web1", "log", 2), b"later".to_vec()));
    drop(served);
    assert!(matches!(listener.next_event(SOON), Err(ClientError::Closed)));
}

#[test]
fn an_event_of_a_newer_server_is_told_as_it_came() {
    let fields = serde_json::json!({"event": "comet", "region": "fg_i3", "tail": [1, 2]});
    let comet = Event::Other(fields.as_object().unwrap().clone());
    let told = comet.clone();
    let served = Served::run(move |server, incoming| {
        server.listen(incoming.client, incoming.id, Filter::default());
        server.publish(&told, b"ice").expect("it fits");
    });
    let mut listener = served.client().listen(Target::default(), None).unwrap();
    assert_eq!(listener.next_event(SOON).unwrap().unwrap(), (comet, b"ice".to_vec()));
}

#[test]
fn a_refused_listen_makes_no_listener() {
    let served = Served::run(|server, incoming| {
        server.reply(incoming.client, &Response::failed(incoming.id, Code::Negative, "no such guest"), &[]);
    });
    let error = served.client().listen(Target::default(), None).unwrap_err();
    assert_eq!(error.code(), Code::Negative);
}

#[test]
fn long_events_leave_room_for_short_ones_and_are_bounded() {
    let (directory, mut server) = server();
    let mut client = listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#);
    let long = vec![0; MAX_BODY];
    for (number, body) in [(0, &[][..]), (1, &long), (2, &[]), (3, &long), (4, &long), (5, &[])] {
        server.publish(&message("web1", "log", number), body).unwrap();
    }
    let got = drain(&mut server, &mut client);
    let numbers: Vec<_> = got.iter().map(|header| header["message"].as_u64()).collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(3), None]);
    assert_eq!(got[4]["count"], 2, "nothing overtakes what was lost");
}

#[test]
fn those_who_are_stuck_lose_and_one_who_reads_loses_nothing() {
    let (directory, mut server) = server();
    let mut live = listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#);
    let stuck: Vec<_> =
        (0..5).map(|_| listener(&directory, &mut server, r#"{"id":1,"op":"listen"}"#)).collect();
    let long = vec![0; MAX_BODY];
    for number in 0..6 {
        server.publish(&message("web1", "log", number), &long).unwrap();
        let got = drain(&mut server, &mut live);
        assert_eq!((got.len(), &got[0]["message"]), (1, &number.into()));
    }
    let counts = server.counts();
    assert_eq!((counts.clients, counts.too_slow), (6, 0), "what waits for all of them is kept once");
    assert_eq!(counts.events_lost, 5 * 4);
    drop(stuck);
}
