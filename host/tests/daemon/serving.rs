//! Programs that answer guests' requests by way of the daemon.

use std::time::Instant;

use ivring_host::{Client, Event, Status};
use ivring_proto::control::Code;
use ivring_proto::link::Topic;

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

fn ask(guest: &FakeGuest, id: u64, topic: &'static str) {
    guest.run(move |guest| {
        let link = guest.link().expect("attached");
        link.request(id, Topic::new(topic).expect("a topic"), b"?").expect("room");
        link.flush();
    });
}

fn answer(guest: &FakeGuest) -> (u64, Status, String) {
    match guest.wait_for(|seen| matches!(seen, Seen::Response { .. })) {
        Seen::Response { id, status, payload } => (id, status, String::from_utf8(payload).expect("text")),
        other => unreachable!("{other:?}"),
    }
}

/// The next request that a client is told.
fn request(client: &mut Client) -> (u64, String) {
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline, "no request comes");
        if let Some(Event::Request { id, topic, redelivered: false, .. }) = client.wait(LIMIT) {
            return (id, topic);
        }
    }
}

#[test]
fn a_topic_has_one_server_and_its_end_is_told() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let who = daemon.host_client().guests()[0].identity;
    let (mut first, mut second) = (daemon.host_client(), daemon.host_client());
    first.serve("time").unwrap();
    first.serve("time").unwrap();
    second.serve("place").unwrap();
    for (topic, code) in
        [("time", Code::Refused), ("ivring.echo", Code::Refused), ("ivring.info", Code::Refused)]
    {
        let error = second.serve(topic).unwrap_err();
        let ivring_host::ClientSendError::Daemon(error) = error else { panic!("{error:?}") };
        assert_eq!(error.code(), code, "{error}");
    }

    ask(&guest, 1, "time");
    ask(&guest, 2, "place");
    ask(&guest, 3, "nothing");
    assert_eq!(answer(&guest), (3, Status::NoHandler, String::new()));
    let (time, place_) = (request(&mut first), request(&mut second));
    assert_eq!((&time.1[..], &place_.1[..]), ("time", "place"));
    second.respond(&who, place_.0, Status::Failed, b"nowhere").unwrap();
    assert_eq!(answer(&guest), (2, Status::Failed, "nowhere".to_owned()));
    // Nobody answers for another, and nobody twice.
    for id in [time.0, place_.0] {
        let error = second.respond(&who, id, Status::Ok, b"forged").unwrap_err();
        assert!(error.to_string().contains("nobody waits"), "{error}");
    }
    first.respond(&who, time.0, Status::Ok, b"noon").unwrap();
    assert_eq!(answer(&guest), (1, Status::Ok, "noon".to_owned()));

    ask(&guest, 4, "time");
    request(&mut first);
    drop(first);
    // Its place is free at once, and what it left open is answered.
    let deadline = Instant::now() + LIMIT;
    while let Err(error) = second.serve("time") {
        assert!(Instant::now() < deadline, "{error}");
    }
    assert_eq!(answer(&guest), (4, Status::Failed, "the program that serves this has ended".to_owned()));
    ask(&guest, 5, "time");
    let (id, _) = request(&mut second);
    second.respond(&who, id, Status::Ok, b"one").unwrap();
    assert_eq!(answer(&guest), (5, Status::Ok, "one".to_owned()));

    ask(&guest, 6, "time");
    request(&mut second);
    daemon.stopped();
    assert_eq!(answer(&guest), (6, Status::Failed, "the server is leaving: ask again".to_owned()));
}
