//! What the agent answers, by one that answers what the test wants.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use serde_json::{Value, json};

use crate::agent::{Place, uuid};
use crate::checks::Checks;

/// Looks at an agent whose status is the usual one with `change` in it.
fn doctor(change: Value) -> Checks {
    let place = Place::new();
    let region = place.region();
    let mut status = json!({
        "id": 1, "ok": true, "service": "ivring-agent", "version": env!("CARGO_PKG_VERSION"), "pid": 7,
        "uptime_seconds": 60, "state": "attached", "reason": null, "guest": uuid(1), "port": "agent", "name": "web1",
        "boot": uuid(2), "profile": "power",
        "region": {
            "name": "fg_i3", "place": region, "bytes": 1 << 20, "memory": {
                "type": "write-back", "reason": "measured", "emulated": false, "read_ns": 1.0, "private_read_ns": 1.0,
                "text": "write-back, by measurement", "remedy": null,
            },
        },
        "channel": 0, "host": "alive", "max_message": 1, "counters": {
            "sent": 0, "sent_bytes": 0, "received": 0, "received_bytes": 0, "redelivered": 0, "full": 0,
            "pings_dropped": 0, "unknown": 0, "late": 0, "stray_fragments": 0, "unwanted": 0, "interrupted": 0,
            "declined": 0, "unanswered": 0, "answers_lost": 0, "unheard": 0,
        },
        "clients": { "clients": 0, "listeners": 0, "turned_away": 0, "events_lost": 0, "too_slow": 0 },
    });
    merge(&mut status, change);
    let listener = UnixListener::bind(place.socket()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| answer(&listener, &status));
        Checks::of(&mut place.command(&["doctor"]))
    })
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            change.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, change) => *into = change,
    }
}

/// Answers one request, in frames as docs/control.md has them.
fn answer(listener: &UnixListener, answer: &Value) {
    let (mut client, _) = listener.accept().unwrap();
    let mut lengths = [0; 8];
    client.read_exact(&mut lengths).unwrap();
    let length = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]);
    client.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).unwrap();
    let header = serde_json::to_vec(answer).unwrap();
    let length = u32::try_from(header.len()).unwrap();
    client.write_all(&[&length.to_le_bytes()[..], &[0; 4], &header].concat()).unwrap();
    // Until the other side closes, so that it has read all.
    let _ = client.read(&mut [0]);
}

#[test]
fn the_session_is_as_the_agent_says() {
    let checks = doctor(json!({}));
    checks
        .assert("agent", "ok", "process 7, runs for 60 s", "")
        .assert("session", "ok", "attached to region fg_i3, channel 0", "")
        .assert("memory-type", "ok", "write-back", "")
        .assert("waiting-profile", "ok", "power: a message waits 20.0 ms", "");
    // The region's file is not there, so its rings can't be seen.
    checks.assert(
        "rings",
        "unknown",
        "no channel of this machine, or could not be read",
        "sudo ivring-agent doctor",
    );
    checks.assert_first("region-file");

    let next = "on the host: systemctl restart ivringd";
    doctor(json!({ "host": "stale" })).assert("session", "failed", "the host's heartbeat has stopped", next);
    let next = "on the host: systemctl start ivringd";
    doctor(json!({ "host": "away" })).assert("session", "pending", "messages wait for its return", next);
    let reason = "the host refuses: \u{1b}[2J";
    let checks = doctor(json!({ "state": "waiting", "reason": reason, "channel": null, "host": null }));
    let next = format!("on the host: ivring doctor {}", uuid(1));
    checks.assert("session", "failed", &format!("the agent waits: {reason}"), &next);
}

#[test]
fn an_agent_of_another_version_is_told() {
    let checks = doctor(json!({ "version": "0.0.1", "profile": null }));
    checks.assert("agent", "pending", "ivring-agent 0.0.1", "systemctl restart ivring-agent");
    checks.assert("waiting-profile", "unknown", "does not say", "systemctl restart ivring-agent");
    let checks = doctor(json!({ "state": "hovering" }));
    checks.assert(
        "agent",
        "failed",
        "of another version than this command",
        "systemctl restart ivring-agent",
    );
    checks.assert_because(&["session", "memory-type", "rings", "waiting-profile"], "agent");
    let checks = doctor(json!({ "ok": false, "error": "no" }));
    checks.assert("agent", "failed", "no", "systemctl restart ivring-agent");
}

#[test]
fn a_device_that_the_agent_has_lost_is_not_looked_for() {
    let checks = doctor(json!({ "region": { "place": "fffe:ff:1f.7" } }));
    // What this machine has instead is its own affair.
    let line = checks.says("device");
    assert!(!line.contains("there is no PCI device fffe:ff:1f.7"), "{line}");
}

#[test]
fn slow_memory_has_its_remedy() {
    let memory = |memory: Value| doctor(json!({ "region": { "memory": memory } }));
    let remedy = "the host honours the guest's memory type";
    memory(json!({ "remedy": remedy })).assert("memory-type", "pending", "write-back", remedy);
    // Nobody can mend an emulator.
    memory(json!({ "remedy": "emulated", "emulated": true })).assert("memory-type", "ok", "; emulated", "");
    doctor(json!({ "region": null })).assert(
        "memory-type",
        "unknown",
        "has no region",
        "ivring-agent status",
    );
}
