//! Programs of today with peers of protocol 1.0 on the other side, which never change.
//!
//! The peers say themselves when something comes that 1.0 does not have: their thread ends with an error, and the test with
//! it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use ivring_guest::{Event, Guest, Options};
use ivring_lab::old_peer::{ECHO, OldGuest, OldHost, Peer, Program, Record, Running, Seen, Shape};
use ivring_lab::{Artifacts, Lab, Process};
use ivring_proto::session::Port;
use ivring_vm_config::Shmem;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(60);
const UUID: &str = "0e1d2c3b-4a59-4687-a869-5a4b3c2d1e0f";

fn artifacts() -> &'static Artifacts {
    static ARTIFACTS: OnceLock<Artifacts> = OnceLock::new();
    ARTIFACTS.get_or_init(|| Artifacts::build().expect("the programs compile"))
}

fn place(test: &str) -> (Lab, Shmem) {
    let lab = Lab::without_guests(test).expect("a lab can be set up");
    let region = lab.region("1M".parse().expect("a power of two")).expect("a name is found");
    (lab, region)
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What a command came to.
#[derive(Debug)]
struct Answer {
    status: Option<i32>,
    output: String,
    messages: String,
}

/// `ivringd` or the agent, and the command line that speaks with it.
struct Server<'a> {
    lab: &'a Lab,
    command: &'static Path,
    socket: PathBuf,
    process: Process,
}

impl<'a> Server<'a> {
    fn ivringd(lab: &'a Lab, region: &Shmem, arguments: &[&str]) -> Self {
        let Artifacts { ivringd, ivring, .. } = artifacts();
        let arguments = [&["--region", region.name()], arguments].concat();
        Self::start(lab, ivringd, &arguments, ivring, "ls")
    }

    fn agent(lab: &'a Lab, region: &Shmem) -> Self {
        let Artifacts { agent, .. } = artifacts();
        let path = region.path();
        let arguments = ["run", "--region", &path, "--id", UUID, "--name", "new"];
        Self::start(lab, agent, &arguments, agent, "status")
    }

    /// Starts a program, and waits until `look` has an answer.
    fn start(lab: &'a Lab, program: &Path, arguments: &[&str], command: &'static Path, look: &str) -> Self {
        let name = program.file_name().expect("a file").display().to_string();
        let socket = lab.folder().join(&name);
        let mut server = Command::new(program);
        server.args(arguments).arg("--socket").arg(&socket);
        let process = lab.spawn(&name, server).expect("it starts");
        let server = Self { lab, command, socket, process };
        wait_for("an answer on the control socket", || server.socket.exists().then_some(()));
        wait_for("an answer", || (server.run(&[look]).status? < 2).then_some(()));
        server
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let done = self.command(arguments).output().expect("it starts");
        Answer {
            status: done.status.code(),
            output: String::from_utf8_lossy(&done.stdout).into_owned(),
            messages: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed; its output.
    fn done(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_eq!(answer.status, Some(0), "{arguments:?}: {answer:?}");
        answer.output
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.command);
        command.args(&arguments[..1]).arg("--socket").arg(&self.socket).args(&arguments[1..]);
        command
    }

    /// What `listen` prints of the first message that it hears on `topic`, while `send` sends one now and then.
    fn hears(&self, topic: &str, mut send: impl FnMut()) -> String {
        let command = self.command(&["listen", "--topic", topic, "--count", "1"]);
        let mut listener = self.lab.spawn("listen", command).expect("it starts");
        wait_for("a message that is heard", || {
            send();
            listener.status().expect("it can be asked")
        });
        fs::read_to_string(listener.log()).expect("it has a log")
    }

    /// The guests that `ls` has.
    fn guests(&self) -> Vec<Value> {
        let answer = self.run(&["ls", "--json"]);
        let listed: Value = serde_json::from_str(&answer.output).expect("ls --json prints JSON");
        listed["guests"].as_array().expect("a list").clone()
    }

    /// What `ls` has of the guest with this name, when it has it in this state.
    fn guest(&self, name: &str, state: &str) -> Value {
        let wanted = |guest: &Value| guest["name"] == name && guest["state"] == state;
        wait_for(&format!("{name} {state}"), || self.guests().into_iter().find(wanted))
    }

    /// Waits until the channel of the guest with this name is free.
    fn knows_no_more(&self, name: &str) {
        wait_for("a free channel", || self.guests().iter().all(|guest| guest["name"] != name).then_some(()));
    }

    /// A message or request of so many bytes is refused, with its length.
    fn refuses(&self, arguments: &[&str], length: usize) {
        let path = self.lab.folder().join("large");
        File::create(&path).and_then(|mut file| file.write_all(&vec![b'x'; length])).expect("room");
        let answer = self.run(&[arguments, &["--file", &path.display().to_string()]].concat());
        assert_eq!(answer.status, Some(4), "{answer:?}");
        assert!(answer.messages.contains(&length.to_string()), "{answer:?}");
    }

    fn end(&mut self) {
        self.process.signal(Signal::SIGTERM).expect("it runs");
        let status = self.process.wait(LIMIT).expect("it ends");
        assert!(status.success(), "{status}");
    }
}

fn old_guest(region: &Shmem, name: &str, uuid: u128) -> Running<OldGuest> {
    let program = Program { uuid, boot: 1, port: "agent".to_owned(), name: name.to_owned() };
    Running::start(OldGuest::open(Path::new(&region.path()), program).expect("a region"))
}

fn old_host(region: &Shmem) -> Running<OldHost> {
    let path = region.path();
    let file = File::create_new(&path).expect("a new file");
    file.set_len(1 << 20).expect("room");
    let shape =
        Shape { channels: 2, to_host: 64 << 10, to_guest: 32 << 10, owner: 0, name: "old".to_owned() };
    Running::start(OldHost::start(Path::new(&path), &shape).expect("a host"))
}

/// The next record that a peer receives.
fn received<P: Peer>(peer: &mut Running<P>) -> Record {
    match peer.next(LIMIT).expect("a record") {
        Seen::Received(record) => record,
        other => panic!("no record, but {other:?}"),
    }
}

/// The next record must be this message.
fn assert_message<P: Peer>(peer: &mut Running<P>, topic: &str, payload: &[u8]) {
    let record = received(peer);
    let Record { kind, topic: on, payload: found, redelivered, .. } = &record;
    assert_eq!((*kind, &**on, found.len(), *redelivered), (2, topic, payload.len(), false));
    assert_eq!(found, payload);
}

fn guest_sends(guest: &mut Running<OldGuest>, topic: &'static str, payload: &'static [u8]) {
    guest.run(move |guest| guest.talk()?.send(topic, payload)).expect("it runs").expect("room");
}

fn host_sends(host: &mut Running<OldHost>, topic: &'static str, payload: &'static [u8]) {
    host.run(move |host| host.talk(0)?.send(topic, payload)).expect("it runs").expect("room");
}

/// The largest message that fits a record of the rings whose capacity the superblock has at this byte.
fn largest(region: &Shmem, at: usize, topic: &str) -> usize {
    let bytes = fs::read(region.path()).expect("the region");
    let capacity = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    usize::try_from(capacity / 2).expect("small") - 8 - 16 - topic.len()
}

const TO_HOST: usize = 56;
const TO_GUEST: usize = 64;

#[test]
fn an_old_guest_and_a_new_daemon_understand_each_other() {
    let (lab, region) = place("old-guest");
    let daemon = Server::ivringd(&lab, &region, &["--size", "1M", "--channels", "2"]);
    let mut guest = old_guest(&region, "old", 1);
    assert_eq!(guest.next(LIMIT).expect("an event"), Seen::Attached);
    assert_eq!(daemon.guest("old", "attached")["port"], "agent");

    daemon.done(&["ping", "old", "--count", "500", "--interval", "0", "--bytes", "4000"]);
    daemon.done(&["send", "old", "greeting", "hello"]);
    assert_message(&mut guest, "greeting", b"hello");
    assert_eq!(daemon.done(&["request", "old", ECHO, "say it"]).trim_end(), "say it");
    assert_eq!(daemon.run(&["request", "old", "nobody"]).status, Some(3));

    let line = daemon.hears("up", || guest_sends(&mut guest, "up", b"from an old guest"));
    assert_eq!(line, "old up: from an old guest\n");
    guest.run(|guest| guest.talk()?.ping(9, b"there?")).expect("it runs").expect("room");
    let pong = received(&mut guest);
    assert_eq!((pong.kind, pong.id, &*pong.payload), (4, 9, &b"there?"[..]));
    guest.run(|guest| guest.talk()?.request(10, "nobody", b"")).expect("it runs").expect("room");
    let response = received(&mut guest);
    assert_eq!((response.kind, response.id, response.status), (6, 10, 1));

    // Of a version to come: skipped, not taken for a fault.
    guest.run(|guest| guest.talk()?.send_kind(200, b"?")).expect("it runs").expect("room");
    daemon.done(&["ping", "old", "--count", "1"]);
    assert_eq!(daemon.guest("old", "attached")["unknown"], 1);

    assert_eq!(
        guest.run(|guest| guest.talk().map(|talk| talk.unknown())).expect("it runs").expect("attached"),
        0
    );
    guest.run(OldGuest::bye).expect("it runs");
    daemon.knows_no_more("old");
}

#[test]
fn what_does_not_fit_a_record_is_refused_to_an_old_guest() {
    let (lab, region) = place("old-guest-large");
    let daemon = Server::ivringd(&lab, &region, &["--size", "1M", "--channels", "2"]);
    let mut guest = old_guest(&region, "old", 1);
    assert_eq!(guest.next(LIMIT).expect("an event"), Seen::Attached);
    daemon.guest("old", "attached");

    let most = largest(&region, TO_GUEST, "big");
    for length in [most + 1, 1 << 20] {
        daemon.refuses(&["send", "old", "big"], length);
        daemon.refuses(&["request", "old", "big"], length);
    }
    let path = lab.folder().join("fits");
    fs::write(&path, vec![b'y'; most]).expect("room");
    daemon.done(&["send", "old", "big", "--wait", "10", "--file", &path.display().to_string()]);
    assert_message(&mut guest, "big", &vec![b'y'; most]);
    daemon.done(&["ping", "old", "--count", "1"]);
    assert_eq!(
        guest.run(|guest| guest.talk().map(|talk| talk.unknown())).expect("it runs").expect("attached"),
        0
    );
}

#[test]
fn an_old_guest_understands_a_refusal() {
    let (lab, region) = place("old-guest-refused");
    let daemon = Server::ivringd(&lab, &region, &["--size", "1M", "--channels", "1"]);
    let mut first = old_guest(&region, "first", 1);
    assert_eq!(first.next(LIMIT).expect("an event"), Seen::Attached);
    let mut second = old_guest(&region, "second", 2);
    let Seen::Refused(code, text) = second.next(LIMIT).expect("an event") else { panic!("a refusal") };
    assert_eq!(code, 1, "{text}");
    daemon.done(&["evict", "first"]);
    assert_eq!(first.next(LIMIT).expect("an event"), Seen::Ended(5));
    assert_eq!(second.next(LIMIT).expect("an event"), Seen::Attached);
}

#[test]
fn a_new_agent_and_an_old_host_understand_each_other() {
    let (lab, region) = place("old-host");
    let mut host = old_host(&region);
    let mut agent = Server::agent(&lab, &region);
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Attached);

    host.run(|host| host.talk(0)?.ping(3, b"there?")).expect("it runs").expect("room");
    let pong = received(&mut host);
    assert_eq!((pong.kind, pong.id, &*pong.payload), (4, 3, &b"there?"[..]));
    host.run(|host| host.talk(0)?.request(4, ECHO, b"say it")).expect("it runs").expect("room");
    let response = received(&mut host);
    assert_eq!((response.kind, response.id, response.status), (6, 4, 0));
    assert_eq!(response.payload, b"say it");
    host.run(|host| host.talk(0)?.request(5, "nobody", b"")).expect("it runs").expect("room");
    assert_eq!(received(&mut host).status, 1);

    agent.done(&["status"]);
    agent.done(&["send", "greeting", "hello"]);
    assert_message(&mut host, "greeting", b"hello");
    assert_eq!(agent.done(&["request", ECHO, "say it"]).trim_end(), "say it");
    assert_eq!(
        agent.hears("down", || host_sends(&mut host, "down", b"from an old host")),
        "down: from an old host\n"
    );
    host.run(|host| host.talk(0)?.send_kind(200, b"?")).expect("it runs").expect("room");

    let most = largest(&region, TO_HOST, "big");
    for length in [most + 1, 1 << 20] {
        agent.refuses(&["send", "big"], length);
        agent.refuses(&["request", "big"], length);
    }
    let path = lab.folder().join("fits");
    fs::write(&path, vec![b'y'; most]).expect("room");
    agent.done(&["send", "big", "--wait", "10", "--file", &path.display().to_string()]);
    assert_message(&mut host, "big", &vec![b'y'; most]);

    assert_eq!(
        host.run(|host| host.talk(0).map(|talk| talk.unknown())).expect("it runs").expect("attached"),
        0
    );
    agent.end();
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Ended(1));
}

#[test]
fn a_new_agent_comes_back_to_an_old_host() {
    let (lab, region) = place("old-host-again");
    let mut host = old_host(&region);
    let mut agent = Server::agent(&lab, &region);
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Attached);
    agent.process.kill().expect("it runs");
    host_sends(&mut host, "down", b"while nobody was there");
    drop(agent);
    let agent = Server::agent(&lab, &region);
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Attached);
    agent.done(&["send", "greeting", "again"]);
    assert_message(&mut host, "greeting", b"again");
    let status: Value = serde_json::from_str(&agent.done(&["status", "--json"])).expect("JSON");
    assert_eq!(status["counters"]["received"], 1, "{status}");
}

#[test]
fn a_new_program_and_an_old_host_understand_each_other() {
    let (_lab, region) = place("old-host-program");
    let mut host = old_host(&region);
    let mut guest = Guest::open(Options {
        region: Some(region.path().into()),
        id: Some(UUID.parse().expect("a UUID")),
        port: Port::new("metrics").expect("a port"),
        ..Options::default()
    })
    .expect("it joins");
    let wait = |guest: &mut Guest, wanted: fn(&Event) -> bool| {
        wait_for("an event", || guest.wait(Duration::from_millis(10)).filter(wanted))
    };
    wait(&mut guest, |event| matches!(event, Event::Attached { .. }));
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Attached);

    guest.send("load", b"0.25").expect("room");
    assert_message(&mut host, "load", b"0.25");
    host_sends(&mut host, "interval", b"10");
    let message = wait(&mut guest, |event| matches!(event, Event::Message { .. }));
    let Event::Message { topic, payload, .. } = message else { unreachable!("it was looked for") };
    assert_eq!((&*topic, &*payload), ("interval", &b"10"[..]));

    let most = largest(&region, TO_HOST, "load");
    let error = guest.send("load", &vec![0; most + 1]).expect_err("too large for a record");
    assert!(error.to_string().contains(&(most + 1).to_string()), "{error}");
    guest.send("load", &vec![7; most]).expect("room");
    assert_message(&mut host, "load", &vec![7; most]);
    drop(guest);
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Ended(1));
}

#[test]
fn a_new_daemon_goes_on_where_an_old_one_ended() {
    let (lab, region) = place("old-host-replaced");
    let mut host = old_host(&region);
    let mut guest = old_guest(&region, "old", 1);
    assert_eq!(guest.next(LIMIT).expect("an event"), Seen::Attached);
    assert_eq!(host.next(LIMIT).expect("an event"), Seen::Attached);
    host_sends(&mut host, "down", b"the last of the old host");
    drop(host);
    guest_sends(&mut guest, "up", b"while there was no host");
    guest_sends(&mut guest, "up", b"neither now");

    let daemon = Server::ivringd(&lab, &region, &[]);
    assert_message(&mut guest, "down", b"the last of the old host");
    wait_for("both messages", || (daemon.guest("old", "attached")["received"] == 2).then_some(()));
    daemon.done(&["send", "old", "greeting", "hello"]);
    assert_message(&mut guest, "greeting", b"hello");
    daemon.done(&["ping", "old", "--count", "100", "--interval", "0", "--bytes", "4000"]);

    daemon.refuses(&["send", "old", "big"], largest(&region, TO_GUEST, "big") + 1);
    daemon.done(&["send", "old", "greeting", "still there"]);
    assert_message(&mut guest, "greeting", b"still there");

    // Newcomers of both versions, in the region that was formatted as 1.0.
    let agent = Server::agent(&lab, &region);
    daemon.guest("new", "attached");
    daemon.done(&["ping", "new", "--count", "1"]);
    assert_eq!(agent.done(&["request", ECHO, "say it"]).trim_end(), "say it");
    guest.run(OldGuest::bye).expect("it runs");
    daemon.knows_no_more("old");
    let mut other = old_guest(&region, "other", 2);
    assert_eq!(other.next(LIMIT).expect("an event"), Seen::Attached);
    daemon.guest("other", "attached");
    daemon.done(&["ping", "other", "--count", "1"]);
}
