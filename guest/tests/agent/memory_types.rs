//! The agent with each memory type: on a device whose files show the same bytes, and on a region's file.

use std::fs;

use serde_json::{Value, json};

use crate::agent::{Agent, Place, stdout, uuid};
use crate::files::FakeMachine;
use crate::host::{Heard, Host, MIB, format, make_file};

/// A machine that can be an agent's.
fn machine() -> FakeMachine {
    let machine = FakeMachine::new();
    machine.write("proc/sys/kernel/random/boot_id", "36b05040-ff12-4dcc-b108-967183781a75\n");
    machine.write("sys/class/dmi/id/product_uuid", &uuid(7));
    machine.write("proc/sys/kernel/hostname", "web1\n");
    machine
}

/// Messages go both ways, a long one among them.
fn talk(place: &Place, host: &Host) {
    let sent = place.ask(&["send", "greeting", "hello host"]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let long = place.path().join("long");
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i * 7 + i / 251).to_le_bytes()[0]).collect();
    fs::write(&long, &bytes).unwrap();
    let sent = place.ask(&["send", "long", "--wait", "10", "--file", long.to_str().unwrap()]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let heard = |topic: &str, payload: &[u8]| Heard::Message {
        topic: topic.into(),
        payload: payload.into(),
        redelivered: false,
    };
    assert_eq!(host.next(), heard("greeting", b"hello host"));
    assert!(host.next() == heard("long", &bytes), "300,000 bytes, as they were");
    host.ping(0, 5);
    assert_eq!(host.next(), Heard::Pong { id: 5 });
}

#[test]
fn a_device_whose_rings_combine_writes_is_joined_as_soon_as_it_is_formatted() {
    let place = Place::new();
    let machine = machine();
    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, b"");
    fs::hard_link(device.path("resource2"), device.path("resource2_wc")).unwrap();
    let mut command = place.command(&["run", "--config", "/dev/null", "--memory-type", "write-combining"]);
    command.arg("--root").arg(machine.root());
    let mut agent = Agent::start(command);
    agent.line_with("mapped write-combining");
    agent.line_with("waiting: the region is not formatted yet");
    format(&device.path("resource2"), 1);
    let host = Host::start(&device.path("resource2"));
    assert_eq!(host.next(), Heard::Attached { channel: 0, name: "web1".into(), resumed: false });
    agent.line_with("channel 0");
    talk(&place, &host);

    let (_, status) = place.status();
    let region = &status["region"];
    assert_eq!(region["bytes"], json!(MIB));
    let memory = &region["memory"];
    assert_eq!((&memory["type"], &memory["reason"]), (&json!("write-combining"), &json!("option")));
    assert!(memory["read_ns"].is_f64() && memory["remedy"].is_string(), "{memory}");
    let text = place.ask(&["status"]);
    let line = stdout(&text).lines().find(|line| line.starts_with("memory")).unwrap().to_owned();
    assert!(line.starts_with("memory    write-combining") && line.contains("a read takes"), "{line}");

    // Formatted anew, with more channels: the rings begin elsewhere.
    drop(host);
    format(&device.path("resource2"), 60);
    let host = Host::start(&device.path("resource2"));
    agent.line_with("attached");
    loop {
        if let Heard::Attached { name, .. } = host.next() {
            assert_eq!(name, "web1");
            break;
        }
    }
    talk(&place, &host);
}

#[test]
fn a_file_is_used_as_each_memory_type() {
    for memory_type in ["auto", "write-back", "uncached", "write-combining"] {
        let place = Place::new();
        make_file(&place.region(), MIB);
        format(&place.region(), 1);
        let host = Host::start(&place.region());
        let mut agent = Agent::start(place.run(1, &["--memory-type", memory_type]));
        agent.line_with("attached");
        host.attached();
        talk(&place, &host);
        let memory = &place.status().1["region"]["memory"];
        let (shown, reason) =
            if memory_type == "auto" { ("write-back", "file") } else { (memory_type, "option") };
        assert_eq!((&memory["type"], &memory["reason"]), (&json!(shown), &json!(reason)));
        assert_eq!(memory["read_ns"], Value::Null);
        let told = host.with(|ends| ends[0].caching().map(|caching| caching.to_string()));
        assert_eq!(told.as_deref(), Some(shown), "the host is told");
    }
}

#[test]
fn an_unknown_type_is_refused_with_the_known_ones() {
    let place = Place::new();
    let output = place.run(1, &["--memory-type", "write-through"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = crate::agent::stderr(&output);
    assert!(said.contains("auto, write-back, uncached, write-combining"), "{said}");
}
