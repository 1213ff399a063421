//! Programs of one guest beside its agent, each with a channel of its own.

use std::collections::HashMap;

use ivring_lab::Guest;
use ivring_lab::witness::{Line, read_journal};
use ivring_proto::control::{Client, Event, Service, Target};

use crate::daemon::Daemon;
use crate::setup::{LIMIT, lab, output, wait_for};
use crate::witness::{HOST, details, kill_in, start_as};

/// Messages of each program to the host.
const COUNT: usize = 300;
const PORTS: [&str; 3] = ["agent", "left", "right"];

/// Who of the guest is listed, and in which state.
fn listed(daemon: &Daemon) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let mut all: Vec<_> =
        daemon.guests().iter().map(|guest| (text(&guest["port"]), text(&guest["state"]))).collect();
    all.sort();
    all
}

fn journal(guest: &mut Guest, port: &str) -> Vec<Line> {
    read_journal(&output(guest, &format!("cat /tmp/journal-{port}")))
}

/// Starts another program on a port that is listed as attached by the one before it, and waits until it is attached itself.
fn start_another(guest: &mut Guest, port: &str) -> String {
    let attached = |guest: &mut Guest| details(&journal(guest, port), HOST, "attached").len();
    let before = attached(guest);
    let process = start_as(guest, port, &[]);
    wait_for("another program attaches", || (attached(guest) > before).then_some(()));
    process
}

/// Sends a message to each of these ports, which each of them gets and nobody else.
fn assert_each_gets_its_own(daemon: &Daemon, guest: &mut Guest, ports: &[&str], round: u32) {
    for port in ports {
        let text = format!("{round} for {port}");
        let sent = daemon.ivring(&["send", &format!("web1:{port}"), "note", &text]);
        assert_eq!(sent.status, Some(0), "{sent:?}");
    }
    for port in ports {
        let wanted = format!("note: {round} for {port}");
        wait_for(&wanted, || {
            let notes = details(&journal(guest, port), HOST, "message");
            let of_this_round = notes.into_iter().filter(|note| note.starts_with(&format!("note: {round} ")));
            let notes: Vec<_> = of_this_round.collect();
            assert!(notes.iter().all(|note| *note == wanted), "{port} got {notes:?}");
            (!notes.is_empty()).then_some(())
        });
    }
}

#[test]
fn two_programs_beside_the_agent_talk_at_once_and_one_that_is_killed_disturbs_no_other() {
    let Some(lab) = lab("many-programs") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    let client = Client::connect(Service::Daemon, daemon.socket()).expect("it serves");
    let mut listener = client.listen(Target::default(), None).expect("it lets one listen");
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    let load = ["--send", &COUNT.to_string(), "--longest", "500", "--ping"];
    let left = start_as(&mut guest, "left", &load);
    start_as(&mut guest, "right", &load);
    // The agent's own, while the others send.
    let count = 20;
    let send = format!("for i in $(seq {count}); do ivring-agent send note $i --wait 5 || exit 1; done");
    output(&mut guest, &send);
    let mut came = HashMap::<String, usize>::new();
    while PORTS.iter().any(|port| came.get(*port) < Some(if *port == "agent" { &count } else { &COUNT })) {
        let event = listener.next_event(Some(LIMIT)).expect("it goes on").expect("there is more to come").0;
        if let Event::Message { from: Some(from), .. } = event {
            *came.entry(from.port).or_default() += 1;
        }
    }
    let all = PORTS.map(|port| (port.to_owned(), "attached".to_owned()));
    // What a program knows of its session the daemon sees a moment later.
    let wait_for_all = || wait_for("three programs of one guest", || (listed(&daemon) == all).then_some(()));
    wait_for_all();
    assert_each_gets_its_own(&daemon, &mut guest, &PORTS[1..], 1);

    kill_in(&mut guest, &left);
    daemon.assert_answers("web1");
    daemon.assert_answers("web1:right");
    assert_each_gets_its_own(&daemon, &mut guest, &["right"], 2);

    // Another on its channel, and yet another: the newcomer wins.
    let older = start_another(&mut guest, "left");
    wait_for_all();
    daemon.assert_answers("web1:left");
    start_another(&mut guest, "left");
    let wait = format!("while [ -d /proc/{older} ] && grep -q . /proc/{older}/cmdline; do sleep 0.02; done");
    output(&mut guest, &wait);
    let journal = journal(&mut guest, "left");
    assert_eq!(details(&journal, HOST, "superseded").len(), 1, "the loser has ended, and knows why");
    wait_for_all();
    assert_each_gets_its_own(&daemon, &mut guest, &PORTS[1..], 3);
    assert_eq!(listed(&daemon), all);
    // Their pings went on all the time.
    for port in &PORTS[1..] {
        let lost = details(&self::journal(&mut guest, port), HOST, "ping");
        assert!(!lost.contains(&"TimedOut".to_owned()), "{port}: {lost:?}");
    }
}
