//! A host that is killed and comes back, an agent that is.

use nix::sys::signal::Signal;

use crate::agent::{Place, attached};
use crate::host::{Heard, Host};

#[test]
fn a_host_that_was_killed_and_is_back_loses_nothing() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    drop(host);
    for text in ["one", "two"] {
        assert_eq!(place.ask(&["send", "t", text]).status.code(), Some(0));
    }
    let host = Host::start(&place.region());
    for text in ["one", "two"] {
        let payload = text.as_bytes().to_vec();
        assert_eq!(host.next(), Heard::Message { topic: "t".into(), payload, redelivered: false });
    }
    agent.line_with("the host was started anew; nothing is lost");
    host.request(0, 1, "ivring.echo", b"still");
    assert!(matches!(host.next(), Heard::Response { id: 1, .. }));
    assert_eq!(place.status().1["channel"], 0);
}

#[test]
fn a_host_that_stands_still_is_called_stale() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    let going_on = host.pause();
    agent.line_with("the host does not move any more");
    assert_eq!(place.status().1["host"], "stale");
    assert_eq!(place.ask(&["send", "t", "patience"]).status.code(), Some(0));
    drop(going_on);
    agent.line_with("the host is back");
    assert_eq!(place.status().1["host"], "alive");
    assert!(matches!(host.next(), Heard::Message { .. }));
}

#[test]
fn an_agent_that_was_killed_gets_its_channel_back_and_what_waits_in_it() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    // Another guest must not get the channel meanwhile, which is the first.
    agent.signal(Signal::SIGKILL);
    agent.ended();
    host.request(0, 5, "ivring.echo", b"asked of the dead");
    let mut other = crate::agent::Agent::start(place.run(2, &[]));
    other.line_with("channel 1");
    assert_eq!(host.attached(), 1);

    let mut agent = place.start();
    agent.line_with("attached to region 'test', channel 0");
    host.wait_for("return", |heard| {
        (*heard == Heard::Attached { channel: 0, name: "guest1".into(), resumed: true }).then_some(())
    });
    assert!(matches!(host.next(), Heard::Response { id: 5, .. }));
}
