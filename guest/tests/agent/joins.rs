//! How the agent waits for what is missing, and what it says meanwhile.

use std::time::Duration;

use crate::agent::{Agent, Place, attached, stderr, stdout, uuid};
use crate::files::FakeMachine;
use crate::host::{Heard, Host, MIB, close_region, format, make_file};

#[test]
fn waits_for_file_format_and_host_and_says_so_once_a_change() {
    let place = Place::new();
    let mut agent = place.start();
    agent.line_with("waiting: can't use");
    let (code, status) = place.status();
    assert_eq!((code, &status["state"]), (Some(1), &"waiting".into()), "{status}");
    assert!(status["reason"].as_str().unwrap().contains("No such file"), "{status}");
    // Time in which it looks more than once.
    std::thread::sleep(Duration::from_millis(1200));

    make_file(&place.region(), MIB);
    agent.line_with("waiting: the region is not formatted yet");
    format(&place.region(), 1);
    agent.line_with("waiting: the host does not answer");
    let host = Host::start(&place.region());
    agent.line_with("attached to region 'test', channel 0");
    assert_eq!(host.attached(), 0);

    let waits = agent.seen.iter().filter(|line| line.contains("waiting: ")).count();
    assert_eq!(waits, 3, "{:#?}", agent.seen);
    let (code, status) = place.status();
    assert_eq!((code, &status["state"], &status["host"]), (Some(0), &"attached".into(), &"alive".into()));
    assert_eq!((&status["channel"], &status["reason"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!((&status["guest"], &status["name"]), (&uuid(1).into(), &"guest1".into()));
    assert_eq!((&status["region"]["name"], &status["region"]["bytes"]), (&"test".into(), &MIB.into()));
}

#[test]
fn finds_a_device_that_is_plugged_in_later() {
    let place = Place::new();
    let machine = FakeMachine::new();
    machine.write("proc/sys/kernel/random/boot_id", "36b05040-ff12-4dcc-b108-967183781a75\n");
    machine.write("sys/class/dmi/id/product_uuid", &uuid(7));
    machine.write("proc/sys/kernel/hostname", "web1\n");
    let mut command = place.command(&["run", "--config", "/dev/null"]);
    command.arg("--root").arg(machine.root());
    let mut agent = Agent::start(command);
    agent.line_with("waiting: none of the 0 PCI devices is ivshmem (1af4:1110)");

    // In another place first, so that the agent never sees half of it.
    let memory = place.path().join("memory");
    make_file(&memory, MIB);
    format(&memory, 1);
    let region = std::fs::read(&memory).unwrap();
    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, &region);
    let host = Host::start(&device.path("resource2"));
    assert_eq!(host.next(), Heard::Attached { channel: 0, name: "web1".into(), resumed: false });
    agent.line_with("channel 0");
    let (_, status) = place.status();
    assert_eq!((&status["region"]["place"], &status["guest"]), (&"0000:00:1f.0".into(), &uuid(7).into()));
}

#[test]
fn a_refusal_is_shown_until_a_channel_is_free() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 1);
    let host = Host::start(&place.region());
    let mut first = Agent::start(place.run(2, &[]));
    first.line_with("attached");
    let mut second = place.start();
    second.line_with("waiting: the host refuses: all 1 channels are taken");
    let output = place.ask(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("state     waiting: the host refuses: all 1 channels are taken"));
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    host.wait_for("refusal", |heard| matches!(heard, Heard::Refused { .. }).then_some(()));

    first.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(first.ended().code(), Some(0));
    second.line_with("attached to region 'test', channel 0");
}

#[test]
fn a_region_formatted_anew_is_joined_anew() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    close_region(&place.region());
    agent.line_with("detached: the region is being formatted anew");
    agent.line_with("waiting: the region is being formatted anew");
    drop(host);
    format(&place.region(), 2);
    let host = Host::start(&place.region());
    agent.line_with("attached to region 'test', channel 0");
    host.attached();
}

#[test]
fn a_region_in_another_file_of_the_same_name_is_joined() {
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    let mut events = place.client().listen(Default::default(), None).unwrap();
    drop(host);
    std::fs::remove_file(place.region()).unwrap();
    // Nobody's region yet, and no power of two: the old mapping stays.
    make_file(&place.region(), 12345);
    std::fs::remove_file(place.region()).unwrap();
    make_file(&place.region(), 2 * MIB);
    format(&place.region(), 1);
    let host = Host::start(&place.region());
    agent.line_with("the region's file was replaced");
    host.attached();
    agent.line_with("attached to region 'test', channel 0");
    assert_eq!(place.status().1["region"]["bytes"], 2 * MIB);
    let told = [0, 1].map(|_| events.next_event(Some(crate::agent::PATIENCE)).unwrap().unwrap().0);
    let told = told.map(|event| serde_json::to_value(event).unwrap()["event"].clone());
    assert_eq!(told, ["detached", "attached"]);
}
