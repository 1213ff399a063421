//! Detach: the guest lets go of the device, late or never.

use serde_json::{Value, json};

use crate::fake::{Fake, Instead};

#[test]
fn memory_goes_after_the_device_and_a_second_time_changes_nothing() {
    let fake = Fake::honest();
    fake.run("attach", &[]);
    let dry = fake.run("detach", &["--dry-run"]);
    assert_eq!((dry.code, fake.changes().len()), (1, 2), "{dry:?}");
    let ran = fake.run("detach", &[]);
    assert_eq!(
        (ran.code, fake.changes()[2..].to_vec()),
        (0, vec!["device_del".to_owned(), "object-del".to_owned()])
    );
    fake.assert_empty();
    let again = fake.run("detach", &[]);
    assert_eq!((again.code, fake.changes().len()), (0, 4), "{again:?}");
}

#[test]
fn a_guest_that_holds_on_leaves_it_pending_and_can_let_go_later() {
    let fake = Fake::honest();
    fake.run("attach", &[]);
    fake.machine.lock().unwrap().ejects = false;
    let ran = fake.run("detach", &["--json", "--timeout", "200ms"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, &told["state"], &told["error"]["code"]),
        (6, &json!("pending"), &json!("held")),
        "{told}"
    );
    assert!(told["error"]["message"].as_str().unwrap().contains("not within 0.2 s"), "{told}");
    assert_eq!(fake.changes().last().unwrap(), "device_del", "its memory stays");
    // It lets go when nobody waits: the memory is left.
    fake.machine.lock().unwrap().devices.clear();
    assert_eq!(fake.run("status", &[]).code, 1);
    let ran = fake.run("detach", &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("left by an earlier detach"), "{ran:?}");
    fake.assert_empty();
}

#[test]
fn one_that_was_asked_before_is_waited_for() {
    let fake = Fake::with(|command, arguments| {
        let event = json!({ "event": "DEVICE_DELETED", "data": { "path": arguments["id"] } });
        let refusal = json!({ "error": { "desc": "Device x is already in the process of unplug" } });
        (command == "device_del").then(|| Instead::Say(format!("{refusal}\n{event}\n").into_bytes()))
    });
    fake.run("attach", &[]);
    let machine = std::sync::Arc::clone(&fake.machine);
    // The machine forgets the device while it is waited for.
    machine.lock().unwrap().devices.values_mut().for_each(|(_, memory)| memory.push_str("-held"));
    let held = machine.lock().unwrap().memory.values().next().cloned().unwrap();
    machine.lock().unwrap().memory.insert(format!("shmem-{}-held", fake.region), held);
    let ran = fake.run("detach", &[]);
    assert!(ran.stderr.contains("the guest has let go of"), "{ran:?}");
}

#[test]
fn a_guest_that_refuses_is_told() {
    let fake = Fake::with(|command, arguments| {
        let event = json!({ "event": "DEVICE_UNPLUG_GUEST_ERROR", "data": { "path": arguments["id"] } });
        let done = json!({ "return": {} });
        (command == "device_del").then(|| Instead::Say(format!("{event}\n{done}\n").into_bytes()))
    });
    fake.run("attach", &[]);
    let ran = fake.run("detach", &[]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stdout.contains("its kernel refuses"), "{ran:?}");
}
