//! A program with a host of its own serves a control socket, and `ivring` sees its guests.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ivring_host::{Client, ClientOptions, Event, Host, Options, Status};
use ivring_proto::link::Topic;
use serde_json::Value;

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::LIMIT;

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

/// The program: answers every request with its topic, and keeps the events that it hears.
struct Program {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Event>>>,
}

impl Program {
    fn start(place: &Place) -> Self {
        let mut host =
            Host::open(Options { size: Some(1 << 20), ..Options::new(place.region()) }).expect("a region");
        host.control(&place.socket()).expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let Some(event) = host.wait(Duration::from_millis(20)) else { continue };
                if let Event::Request { guest, id, topic, .. } = &event {
                    host.respond(guest, *id, Status::Ok, topic.as_bytes()).expect("room");
                }
                heard.push(event);
            }
            host.leave(Duration::ZERO, |_| {});
            heard
        });
        Program { stop, thread: Some(thread) }
    }

    /// Stops it, and returns what it heard.
    fn stopped(mut self) -> Vec<Event> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it did not panic")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its panic is told already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn ivring(place: &Place, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivring"));
    let Output { status, stdout, stderr } =
        command.arg("--socket").arg(place.socket()).args(arguments).output().expect("ivring starts");
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[test]
fn the_commands_work_with_a_program_of_ones_own() {
    let place = Place::new();
    let program = Program::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let mut client = Client::connect(ClientOptions { socket: Some(place.socket()), region: None }).unwrap();

    let list: Value = serde_json::from_str(&ivring(&place, &["--json", "ls"])).unwrap();
    assert_eq!(
        (&list["guests"][0]["name"], &list["guests"][0]["region"], &list["guests"][0]["state"]),
        (&"web1".into(), &place.region().into(), &"attached".into())
    );
    ivring(&place, &["ping", "web1", "--count", "2", "--interval", "0"]);
    ivring(&place, &["send", "web1", "greeting", "hello"]);
    assert_eq!(guest.message(), ("greeting".to_owned(), b"hello".to_vec(), false));
    assert_eq!(ivring(&place, &["request", "web1", "ivring.echo", "back"]), "back");
    let long = place.directory().join("long");
    std::fs::write(&long, vec![7; 100_000]).unwrap();
    ivring(&place, &["send", "web1", "long", "--file", long.to_str().unwrap()]);
    assert_eq!(guest.message().1, vec![7; 100_000]);

    // A guest's message reaches the program and its clients, a guest's request the program alone.
    guest.send("log", b"up");
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline);
        if let Some(Event::Message { topic, payload, .. }) = client.wait(Duration::from_millis(20)) {
            assert_eq!((&topic[..], &payload[..]), ("log", &b"up"[..]));
            break;
        }
    }
    assert!(client.serve("time").unwrap_err().to_string().contains("this program itself"));
    guest.run(|guest| {
        let link = guest.link().expect("attached");
        link.request(5, Topic::new("time").expect("a topic"), b"").expect("room");
        link.flush();
    });
    let seen = guest.wait_for(|seen| matches!(seen, Seen::Response { id: 5, .. }));
    assert_eq!(seen, Seen::Response { id: 5, status: Status::Ok, payload: b"time".to_vec() });

    let heard = program.stopped();
    let kinds: Vec<_> = heard
        .iter()
        .map(|event| match event {
            Event::Attached { .. } => "attached",
            Event::Message { .. } => "message",
            Event::Request { .. } => "request",
            other => panic!("the answer to a client's question, or something unforeseen: {other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["attached", "message", "request"]);
    assert!(matches!(client.wait(LIMIT), Some(Event::Disconnected { .. })));
    assert!(!place.socket().exists());
}
