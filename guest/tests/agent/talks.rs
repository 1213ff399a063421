//! What an attached agent answers and passes on.

use ivring_proto::link::Status;

use crate::agent::{Place, stderr, stdout};
use crate::host::{Heard, Host, MIB, format, make_file};

/// A host and an agent that is attached on channel 0.
fn attached(place: &Place) -> (Host, crate::agent::Agent) {
    make_file(&place.region(), MIB);
    format(&place.region(), 3);
    let host = Host::start(&place.region());
    let mut agent = place.start();
    assert_eq!(host.next(), Heard::Attached { channel: 0, name: "guest1".into(), resumed: false });
    agent.line_with("attached to region 'test', channel 0");
    (host, agent)
}

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

#[test]
fn sends_what_it_is_told_to() {
    let place = Place::new();
    let (host, _agent) = attached(&place);
    let output = place.ask(&["send", "greeting", "hello host"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert_eq!(
        host.next(),
        Heard::Message { topic: "greeting".into(), payload: b"hello host".to_vec(), redelivered: false }
    );
}
