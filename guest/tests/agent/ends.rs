//! How the agent ends when it is asked to.

use nix::sys::signal::Signal;

use crate::agent::{Agent, Place, attached};
use crate::host::{Heard, Host, MIB, format, make_file};

#[test]
fn signals_end_it_with_a_good_bye() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let (host, mut agent) = attached(&place);
        assert_eq!(host.bound(), 1);
        agent.signal(signal);
        assert_eq!(agent.ended().code(), Some(0), "{signal}");
        assert_eq!(host.next(), Heard::Detached { reason: "the guest said good-bye".into() });
        assert_eq!(host.bound(), 0);
        assert!(!place.socket().exists());
    }
}

#[test]
fn what_was_sent_before_the_good_bye_arrives() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    let going_on = host.pause();
    assert_eq!(place.ask(&["send", "last", "words"]).status.code(), Some(0));
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.ended().code(), Some(0));
    drop(going_on);
    let last = Heard::Message { topic: "last".into(), payload: b"words".to_vec(), redelivered: false };
    assert_eq!(host.next(), last);
    assert!(matches!(host.next(), Heard::Detached { .. }));
}

#[test]
fn a_log_that_nobody_reads_does_not_end_it() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 1);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.run(1, &["-vv"]);
    command.stderr(writer);
    let mut agent = Agent::start_reading_output(command);
    let host = Host::start(&place.region());
    host.attached();
    host.request(0, 1, "no.such", b"");
    assert!(matches!(host.next(), Heard::Response { id: 1, .. }));
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.ended().code(), Some(0));
}

#[test]
fn signals_end_it_while_it_waits() {
    let place = Place::new();
    let mut agent = place.start();
    agent.line_with("waiting: can't use");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.ended().code(), Some(0));

    make_file(&place.region(), MIB);
    let mut agent = Agent::start(place.run(1, &["--profile", "power"]));
    agent.line_with("waiting: the region is not formatted yet");
    agent.signal(Signal::SIGINT);
    assert_eq!(agent.ended().code(), Some(0));
}
