//! `ivring inspect`, with a daemon, without one, and on regions that are damaged.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use ivring_proto::layout::{Geometry, entry_word};
use serde_json::{Value, json};

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::Daemon;

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

/// Runs the command and returns exit code, output and errors. It reads only, whatever it finds.
fn inspect(region: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ivring"))
        .args(["inspect", region])
        .args(arguments)
        .output()
        .expect("ivring starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn inspect_json(region: &str) -> (i32, Value) {
    let (code, output, errors) = inspect(region, &["--json"]);
    (code, serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}{errors}")))
}

#[test]
fn a_region_in_use_is_shown_with_what_waits_in_its_rings() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    let pause = guest.pause();
    for _ in 0..3 {
        daemon.ok(&["send", "web1", "t", "12345"]);
    }

    let (code, view) = inspect_json(place.region());
    assert_eq!(code, 0, "{view}");
    assert_eq!(
        (&view["state"], &view["generation"], &view["versions"]),
        (&"ready".into(), &1.into(), &"1.0 to 1.1".into())
    );
    assert_ne!(view["epoch"], 0);
    // And for a moment perhaps a process that another thread of this one is about to start: it has our memory until then.
    let mapped_by = view["mapped_by"].as_array().unwrap();
    for pid in [daemon.pid(), std::process::id()] {
        assert!(mapped_by.iter().any(|process| process["pid"] == pid), "{pid} is missing: {mapped_by:?}");
    }
    let channels = view["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 4);
    assert_eq!(channels[1], json!({ "channel": 1, "state": "free" }));
    let first = &channels[0];
    assert_eq!(
        (&first["state"], &first["guest"], &first["port"], &first["name"]),
        (&"attached".into(), &A.into(), &"agent".into(), &"web1".into())
    );
    // Header, envelope, topic and payload, rounded up.
    assert_eq!((&first["to_guest"]["records"], &first["to_guest"]["used"]), (&3.into(), &(3 * 32).into()));
    assert_eq!((&first["to_host"]["records"], &first["to_host"]["used"]), (&0.into(), &0.into()));

    let (code, text, _) = inspect(place.region(), &[]);
    assert_eq!(code, 0);
    let path = place.region_path();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!("{}: 1 MiB, ready, ivring 1.0 to 1.1, generation 1, any VM may join", path.display())
    );
    assert!(lines[1].starts_with("host: epoch "), "{text}");
    assert!(lines[2].contains(&format!("process {}", daemon.pid())), "{text}");
    assert_eq!(lines[3], "channels: 4, 3 free; rings: 64 KiB to the host, 64 KiB to the guest");
    assert_eq!(
        lines[5],
        "CHANNEL  STATE     NAME  GUEST                                 PORT    TO HOST   TO GUEST"
    );
    assert_eq!(lines[6], format!("      0  attached  web1  {A}  agent  0 in 0 B  3 in 96 B"));
    drop(pause);
}

#[test]
fn without_a_daemon_it_shows_what_was_left() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    daemon.stopped();
    guest.send("log", b"to whom it may concern");
    drop(guest);
    let before = fs::read(place.region_path()).unwrap();
    let (code, view) = inspect_json(place.region_path().to_str().unwrap());
    assert_eq!((code, &view["epoch"]), (0, &0.into()), "{view}");
    assert_eq!(view["channels"][0]["to_host"]["records"], 1);
    assert!(inspect(place.region(), &[]).1.contains("host: has left"));
    assert_eq!(fs::read(place.region_path()).unwrap(), before, "it has written");
}

#[test]
fn what_is_damaged_is_named() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    daemon.stopped();
    guest.send("log", b"a record");
    drop(guest);
    let geometry = Geometry::new(1 << 20, 4).unwrap();
    let file = File::options().write(true).open(place.region_path()).unwrap();
    let (first, second) = (geometry.channel(0).unwrap(), geometry.channel(1).unwrap());
    let (_, view) = inspect_json(place.region());
    let head = view["channels"][0]["to_host"]["head"].as_u64().unwrap();
    // A record's header, and the state of a channel that was free.
    file.write_all_at(&0xdead_beef_u64.to_le_bytes(), first.to_host.data + head).unwrap();
    file.write_all_at(&99_u64.to_le_bytes(), second.entry + entry_word::STATE).unwrap();
    let (code, view) = inspect_json(place.region());
    assert_eq!(code, 1, "{view}");
    let wrong = |channel: usize| view["channels"][channel]["wrong"][0].as_str().unwrap_or_default();
    assert!(wrong(0).starts_with("ring to the host: "), "{view}");
    assert_eq!(wrong(1), "state 99 is unknown");
    assert_eq!(view["channels"][0]["to_host"]["records"], Value::Null);
    let (code, text, _) = inspect(place.region(), &[]);
    assert_eq!(code, 1);
    assert!(text.contains("wrong: channel 1: state 99 is unknown"), "{text}");

    // A superblock that cannot be used is shown word by word.
    file.write_all_at(&7_u64.to_le_bytes(), 48).unwrap();
    file.write_all_at(&1_u64.to_le_bytes(), 112).unwrap();
    let (code, view) = inspect_json(place.region());
    assert_eq!((code, &view["superblock"]["channels"]), (4, &7.into()));
    assert!(view["wrong"].as_str().unwrap().contains("geometry"), "{view}");
    let (code, text, _) = inspect(place.region(), &[]);
    assert!(code == 4 && text.contains("geometry is impossible") && text.contains("rings"), "{text}");
}

#[test]
fn what_is_no_region_or_not_there_is_said() {
    let place = Place::new();
    let path = place.region_path();
    let (code, output, errors) = inspect(place.region(), &[]);
    assert_eq!((code, &output[..]), (1, ""));
    assert!(errors.contains("there is no region"), "{errors}");
    // A file that QEMU made.
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let (code, output, _) = inspect(place.region(), &[]);
    assert!(code == 1 && output.contains("not formatted yet"), "{output}");
    fs::write(&path, vec![1; 1 << 20]).unwrap();
    let (code, _, errors) = inspect(place.region(), &[]);
    assert!(code == 4 && errors.contains("magic 0x0101010101010101"), "{errors}");
    assert_eq!(inspect("a/", &[]).0, 4);
}
