//! Clients that are too slow make room for others, by a clock of the test's own.

use super::*;
use crate::control::{MAX_BODY, MAX_INCOMING};
use std::io::{Read, Write};

/// Writes as much as the server takes, takes that off `bytes`, and returns the requests that came.
fn write(client: &mut UnixStream, server: &mut Server, bytes: &mut &[u8], now: Instant) -> Vec<Incoming> {
    let mut incoming = Vec::new();
    let mut idle = 0;
    while idle < 3 {
        let count = client.write(bytes).unwrap_or(0);
        *bytes = &bytes[count..];
        idle = if count > 0 { 0 } else { idle + 1 };
        incoming.extend(server.poll_at(now));
    }
    incoming
}

fn bound() -> (tempfile::TempDir, Server) {
    let directory = tempfile::TempDir::new().unwrap();
    let server = Server::bind(&directory.path().join("control.sock"), 0o660).unwrap();
    (directory, server)
}

fn connect(directory: &tempfile::TempDir, server: &mut Server) -> (UnixStream, ClientId) {
    let client = UnixStream::connect(directory.path().join("control.sock")).unwrap();
    client.set_nonblocking(true).unwrap();
    server.poll();
    (client, ClientId(server.last_client))
}

#[test]
fn those_who_take_nothing_make_room_for_others() {
    let (directory, mut server) = bound();
    let stuck: Vec<_> = (0..4).map(|_| connect(&directory, &mut server)).collect();
    let (mut live, client) = connect(&directory, &mut server);
    let body = vec![7; MAX_BODY - 100];
    for (_, stuck) in &stuck {
        server.reply(*stuck, &Response::done(1), &body[..MAX_UNREAD / 4 - 100]);
    }
    let mut read = move || {
        let mut header = [0; 4];
        live.read_exact(&mut header).unwrap();
        let mut rest = Vec::new();
        // It ends with what is there now.
        let _ = live.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest[4..]).into_owned()
    };
    server.reply(client, &Response::done(1), &body);
    server.flush();
    assert!(read().contains("ask again"), "nobody is known to be stuck yet");
    assert_eq!((server.counts().clients, server.counts().too_slow), (5, 0));
    // What fits beside everything is always there.
    server.reply(client, &Response::done(2), b"short");
    server.flush();
    assert!(read().ends_with("short"));

    server.poll_at(Instant::now() + STALLED);
    server.reply(client, &Response::done(3), &body);
    server.flush();
    assert!(read().starts_with(r#"{"id":3,"ok":true}"#));
    assert_eq!((server.counts().clients, server.counts().too_slow), (4, 1));
}

#[test]
fn one_who_stops_in_the_middle_of_a_frame_makes_room_for_those_who_go_on() {
    let (directory, mut server) = bound();
    let now = Instant::now();
    let header = br#"{"id":1,"op":"send","topic":"t"}"#;
    let length = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let frame = [&length(header.len())[..], &length(MAX_BODY), header, &vec![7; MAX_BODY]].concat();
    let connect = |server: &mut Server| connect(&directory, server).0;
    // As many as there is room for begin, and stop.
    let mut stuck: Vec<_> = (0..MAX_INCOMING / frame.len()).map(|_| connect(&mut server)).collect();
    for client in &mut stuck {
        assert!(write(client, &mut server, &mut &frame[..1 << 20], now).is_empty());
    }
    assert!(!server.has_more_than_fds(), "nobody waits for room");
    let mut live = connect(&mut server);
    let mut rest = &frame[..];
    assert!(write(&mut live, &mut server, &mut rest, now).is_empty(), "there is no room for it");
    assert!(!server.has_requests(), "and the owner may sleep");
    assert!(server.has_more_than_fds(), "but nothing that it sleeps on tells when there is room");
    let mut short = connect(&mut server);
    let status = [&length(24)[..], &length(0), br#"{"id":1,"op": "status" }"#].concat();
    assert_eq!(write(&mut short, &mut server, &mut &status[..], now).len(), 1, "short requests go on");

    let later = Instant::now() + STUCK;
    assert_eq!(server.counts().too_slow, 0);
    server.poll_at(later);
    assert_eq!(server.counts().too_slow, u64::try_from(stuck.len()).unwrap());
    let mut words = Vec::new();
    // What it wrote and nobody read makes its end an error.
    let _ = stuck[0].read_to_end(&mut words);
    assert!(String::from_utf8_lossy(&words).contains("nothing came for 5 s"), "{words:?}");
    let incoming = write(&mut live, &mut server, &mut rest, later);
    assert_eq!((incoming.len(), incoming[0].body.len()), (1, MAX_BODY));
    assert_eq!(server.counts().clients, 2);
    assert!(!server.has_more_than_fds());
}
