//! One program, written once, runs with a host of its own and with a client of the daemon.

use std::time::{Duration, Instant};

use ivring_host::{
    Client, ClientOptions, Event, Host, HostSendError, Identity, Options, Port, SendError, Status,
};
use ivring_proto::link::Topic;

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

/// The next event that is wanted; what comes before is passed over.
macro_rules! event {
    ($speaker:expr, $wanted:pat => $result:expr) => {{
        let deadline = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < deadline, "the event does not come");
            if let Some($wanted) = $speaker.wait(Duration::from_millis(20)) {
                break $result;
            }
        }
    }};
}

/// Every call that both have, by the same words.
macro_rules! program {
    ($speaker:expr, $fake:expr) => {{
        let who = event!($speaker, Event::Attached { guest, name, channel: 0, resumed: false } => {
            assert_eq!(name, "web1");
            guest
        });
        let infos = $speaker.guests();
        assert_eq!((infos.len(), infos[0].identity, &infos[0].name[..]), (1, who, "web1"));
        assert_eq!($speaker.max_payload(&who, "t"), 64 << 20);
        assert_eq!($speaker.max_record(&who, "t"), infos[0].max_record - 1);

        $speaker.send(&who, "t", b"sent").unwrap();
        $speaker.push(&who, "t", b"pushed").unwrap();
        $speaker.flush(&who);
        $speaker.send_value(&who, "t", &7_u32.to_le()).unwrap();
        for expected in [&b"sent"[..], b"pushed", &[7, 0, 0, 0]] {
            assert_eq!($fake.message(), ("t".to_owned(), expected.to_vec(), false));
        }
        let long: Vec<u8> = (0..1_000_000).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sent = $speaker.send(&who, "t", &long).unwrap();
        assert_eq!(event!($speaker, Event::Delivered { id, .. } => id), sent);
        assert!($fake.message().1 == long);

        let asked = $speaker.request(&who, "ivring.echo", b"ping", LIMIT).unwrap();
        let (id, status, payload) =
            event!($speaker, Event::Response { id, status, payload, .. } => (id, status, payload));
        assert_eq!((id, status, &payload[..]), (asked, Status::Ok, &b"ping"[..]));
        let asked = $speaker.request(&who, "nothing", &[], LIMIT).unwrap();
        let (id, status) = event!($speaker, Event::Response { id, status, .. } => (id, status));
        assert_eq!((id, status), (asked, Status::NoHandler));
        let pinged = $speaker.ping(&who, b"56", LIMIT).unwrap();
        let (id, round_trip) = event!($speaker, Event::Pong { id, round_trip, .. } => (id, round_trip));
        assert!(id == pinged && round_trip < LIMIT);

        let number = $fake.send("log", b"up");
        let (guest, topic, payload, id) =
            event!($speaker, Event::Message { guest, topic, payload, id, .. } => (guest, topic, payload, id));
        assert_eq!((guest, &topic[..], &payload[..], id), (who, "log", &b"up"[..], number));
        ask(&$fake);
        let (id, topic, payload) =
            event!($speaker, Event::Request { id, topic, payload, .. } => (id, topic, payload));
        assert_eq!((&topic[..], &payload[..]), ("time", &b"now?"[..]));
        $speaker.respond(&who, id, Status::Ok, b"noon").unwrap();
        // Whoever is polled does the work.
        let _ = $speaker.poll();
        assert_eq!(answer(&$fake), (Status::Ok, b"noon".to_vec()));

        let pause = $fake.pause();
        let lost = $speaker.request(&who, "ivring.echo", &[], Duration::from_millis(50)).unwrap();
        assert_eq!(event!($speaker, Event::Unanswered { id, .. } => id), lost);
        drop(pause);
        assert!($speaker.evict(&who));
        let guest = event!($speaker, Event::Detached { guest, .. } => guest);
        assert_eq!(guest, who);
        who
    }};
}

fn ask(guest: &FakeGuest) {
    guest.run(|guest| {
        let link = guest.link().expect("attached");
        link.request(77, Topic::new("time").expect("a topic"), b"now?").expect("room");
        link.flush();
    });
}

fn answer(guest: &FakeGuest) -> (Status, Vec<u8>) {
    match guest.wait_for(|seen| matches!(seen, Seen::Response { id: 77, .. })) {
        Seen::Response { status, payload, .. } => (status, payload),
        other => unreachable!("{other:?}"),
    }
}

fn nobody() -> Identity {
    Identity { uuid: A.parse().expect("a UUID"), port: Port::new("other").expect("a port") }
}

#[test]
fn with_a_host_of_its_own() {
    let place = Place::new();
    let region = place.region();
    let mut host = Host::open(Options { size: Some(1 << 20), ..Options::new(region) }).unwrap();
    let fake = FakeGuest::join(&place.region_path(), A, "web1");
    program!(host, fake);
    let error = host.send(&nobody(), "t", b"").unwrap_err();
    assert_eq!(error, HostSendError::Send(SendError::NotAttached));
    drop(fake);
}

#[test]
fn with_a_client_of_the_daemon() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut client = daemon.host_client();
    client.serve("time").unwrap();
    let fake = FakeGuest::join(&place.region_path(), A, "web1");
    program!(client, fake);
    let error = client.send(&nobody(), "t", b"").unwrap_err();
    assert!(
        matches!(error, ivring_host::ClientSendError::Host(HostSendError::Send(SendError::NotAttached))),
        "{error:?}"
    );
    drop(fake);
}

impl Daemon {
    /// A client with the calls of a host.
    pub fn host_client(&self) -> Client {
        let socket = Some(self.socket().to_owned());
        Client::connect(ClientOptions { socket, region: None }).expect("a connection")
    }
}
