//! Attach: each step refused, or left without an answer, takes back those before it.

use serde_json::{Value, json};

use crate::fake::{Fake, Instead};

#[test]
fn the_device_is_there_after_it_and_a_second_time_changes_nothing() {
    let fake = Fake::honest();
    assert_eq!(fake.run("status", &[]).code, 1);
    let dry = fake.run("attach", &["--dry-run"]);
    assert_eq!((dry.code, fake.changes().len()), (1, 0), "{dry:?}");
    // The card is at 0x1f.
    assert!(dry.stdout.contains("would be attached on pci.0, slot 0x1e"), "{dry:?}");
    let ran = fake.run("attach", &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("attached on pci.0, slot 0x1e (00:1e.0), 1048576 bytes, shared"), "{ran:?}");
    assert!(ran.stderr.contains("object-add") && ran.stderr.contains("device_add"), "{ran:?}");
    assert_eq!(fake.changes(), ["object-add", "device_add"]);
    assert_eq!(fake.run("status", &[]).code, 0);
    let again = fake.run("attach", &["--json"]);
    let told: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again.code, &told["state"], &told["action"]), (0, &json!("ok"), &json!("none")), "{told}");
    assert_eq!(fake.changes().len(), 2);
}

#[test]
fn what_is_refused_takes_back_what_was_done() {
    for (refused, changes) in [
        ("object-add", vec!["object-add"]),
        ("device_add", vec!["object-add", "device_add", "object-del"]),
        ("query-pci", vec!["object-add", "device_add", "device_del", "object-del"]),
        ("query-memdev", vec!["object-add", "device_add", "device_del", "object-del"]),
    ] {
        let fake = Fake::with(move |command, _| (command == refused).then_some(Instead::Refuse("not today")));
        let ran = fake.run("attach", &[]);
        assert_eq!(ran.code, 3, "{refused}: {ran:?}");
        assert!(ran.stderr.contains(&format!("QEMU refuses {refused}: not today")), "{ran:?}");
        assert_eq!(fake.changes(), changes, "{refused}");
        fake.assert_empty();
    }
}

#[test]
fn what_gets_no_answer_is_taken_back_as_if_it_were_done() {
    for silent in ["object-add", "device_add", "query-memdev"] {
        let fake = Fake::with(move |command, _| (command == silent).then_some(Instead::Nothing));
        let ran = fake.run("attach", &["--timeout", "300ms"]);
        assert_eq!(ran.code, 5, "{silent}: {ran:?}");
        assert!(ran.stderr.contains(&format!("no answer to {silent} within 0.3 s")), "{ran:?}");
        fake.assert_empty();
    }
}

#[test]
fn a_device_that_is_not_as_asked_is_taken_back() {
    let private = json!([{ "id": "shmem-x", "size": 1 << 20, "share": false }]);
    for (command, lie, says) in [
        ("query-memdev", private, "is not 1M, shared"),
        ("query-pci", json!([{ "bus": 0, "devices": [] }]), "query-pci has no 1af4:1110"),
    ] {
        let fake = Fake::with(move |asked, _| (asked == command).then(|| Instead::Return(lie.clone())));
        let ran = fake.run("attach", &[]);
        assert_eq!(ran.code, 5, "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
        fake.assert_empty();
    }
}

#[test]
fn what_cannot_be_taken_back_is_told() {
    let refuses = |command: &str, _: &Value| match command {
        "device_add" => Some(Instead::Refuse("slot 30 function 0 not available")),
        "object-del" => Some(Instead::Refuse("busy")),
        _ => None,
    };
    let fake = Fake::with(refuses);
    let ran = fake.run("attach", &["--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let message = told["error"]["message"].as_str().unwrap();
    assert_eq!((ran.code, &told["error"]["code"]), (5, &json!("left")), "{told}");
    assert!(message.contains("slot 30 function 0 not available") && message.contains("busy"), "{message}");
    assert!(message.contains(&format!("shmem-{}", fake.region)), "{message}");
    // What is left serves the next attempt.
    let again = Fake::honest();
    let memory = fake.machine.lock().unwrap().memory.clone();
    again.machine.lock().unwrap().memory = memory;
    let ran = crate::fake::qmp("attach", &again.socket(), &["--name", &fake.region, "--size", "1M"]);
    assert_eq!((ran.code, again.changes()), (0, vec!["device_add".to_owned()]), "{ran:?}");
}

#[test]
fn other_memory_or_another_size_is_refused() {
    let fake = Fake::honest();
    assert_eq!(fake.run("attach", &[]).code, 0);
    for (more, says) in [
        (["--size", "2M"], "1048576 bytes"),
        (["--addr", "5"], "is on pci.0, slot 0x1e"),
        (["--bus", "rp1"], "is on pci.0, slot 0x1e"),
    ] {
        let arguments: Vec<&str> =
            if more[0] == "--size" { more.to_vec() } else { [&["--size", "1M"], &more[..]].concat() };
        let arguments = [&["--name", fake.region.as_str()], &arguments[..]].concat();
        let ran = crate::fake::qmp("attach", &fake.socket(), &arguments);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.contains("qmp detach"), "{ran:?}");
    }
    let id = format!("shmem-{}", fake.region);
    fake.machine.lock().unwrap().memory.get_mut(&id).unwrap()["share"] = json!(false);
    let ran = fake.run("status", &["--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &told["state"]), (3, &json!("differs")), "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("private copy"), "{told}");
}
