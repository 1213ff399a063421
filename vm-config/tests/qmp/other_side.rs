//! Whoever is at the other end of the socket: nobody, somebody silent, somebody who talks nonsense, libvirt.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::fake::{Fake, Instead, qmp};

#[test]
fn nobody_is_told_and_so_is_somebody_silent() {
    let folder = tempfile::tempdir().unwrap();
    let ran = qmp("status", &folder.path().join("none"), &[]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("cannot connect") && ran.stderr.contains("-qmp unix:"), "{ran:?}");
    let fake = Fake::with(|command, _| (command == "hello").then_some(Instead::Nothing));
    let ran = fake.run("status", &["--timeout", "200ms"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("no answer to the greeting within 0.2 s: another program"), "{ran:?}");
}

#[test]
fn nonsense_ends_with_a_clear_word() {
    let endless = vec![b'x'; 5 << 20];
    let human = b"QEMU 7.2.22 monitor - type 'help' for more information\n\x1b[2J(qemu) ".to_vec();
    for (at, said, says) in [
        ("hello", human, "it does not speak QMP: it says \"QEMU 7.2.22 monitor"),
        ("hello", b"{}\n".to_vec(), "it does not speak QMP"),
        ("hello", endless.clone(), "a line of more than"),
        ("qom-list", endless, "a line of more than"),
        ("qom-list", b"\xff\xfe\n".to_vec(), "cannot be read"),
        ("qom-list", b"[]\n".to_vec(), "cannot be read"),
        ("qom-list", b"{\"return\": 7}\n".to_vec(), "QEMU answers qom-list with 7"),
        ("query-chardev", b"{\"return\": {}}\n".to_vec(), "QEMU answers query-chardev with {}"),
        ("qom-get", b"{\"return\": [1]}\n".to_vec(), "QEMU answers qom-get with [1]"),
        ("qom-get", b"{\"error\": {}}\n".to_vec(), "cannot be read"),
    ] {
        let fake = Fake::with(move |command, _| (command == at).then(|| Instead::Say(said.clone())));
        let ran = fake.run("attach", &[]);
        assert_eq!(ran.code, 5, "{at} {says}: {ran:?}");
        assert!(ran.stderr.contains(says), "{at} {says}: {ran:?}");
        assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}

#[test]
fn a_connection_that_ends_is_told_with_what_was_asked() {
    for at in ["hello", "query-chardev", "device_add"] {
        let fake = Fake::with(move |command, _| (command == at).then_some(Instead::Close));
        let ran = fake.run("attach", &[]);
        assert_eq!(ran.code, 5, "{at}: {ran:?}");
        assert!(ran.stderr.contains("QEMU closed the connection"), "{at}: {ran:?}");
    }
}

#[test]
fn events_and_late_answers_in_any_number_do_not_count() {
    let fake = Fake::with(|command, _| (command != "hello").then_some(Instead::Flood(40)));
    assert_eq!(fake.run("attach", &[]).code, 0);
    assert_eq!(fake.run("detach", &[]).code, 0);
    fake.assert_empty();
    // A flood without an answer ends, too.
    let flood = "{\"event\": \"RTC_CHANGE\"}\n".repeat(100_000).into_bytes();
    let fake =
        Fake::with(move |command, _| (command == "query-chardev").then(|| Instead::Say(flood.clone())));
    let ran = fake.run("attach", &["--timeout", "500ms"]);
    assert!(ran.code == 5 && ran.stderr.contains("no answer to query-chardev"), "{ran:?}");
}

#[test]
fn libvirts_machines_are_left_to_libvirt() {
    let fake = Fake::honest();
    // By the place of the socket, before anything is said,
    let domain = fake.socket().parent().unwrap().join("domain-1-web1");
    fs::create_dir(&domain).unwrap();
    fs::rename(fake.socket(), domain.join("monitor.sock")).unwrap();
    let link = domain.join("../innocent");
    symlink(domain.join("monitor.sock"), &link).unwrap();
    for socket in [domain.join("monitor.sock"), link] {
        let ran = qmp("attach", &socket, &[]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains("apply --live"), "{ran:?}");
    }
    assert!(fake.machine.lock().unwrap().asked.is_empty());
    // and by what libvirt gives to each QEMU.
    let secret = json!([{ "name": "masterKey0", "type": "child<secret>" }]);
    let channel = json!([{ "label": "charmonitor" }]);
    for (command, answer) in [("qom-list", secret), ("query-chardev", channel)] {
        let fake = Fake::with(move |asked, _| (asked == command).then(|| Instead::Return(answer.clone())));
        for command in ["attach", "detach", "status"] {
            let ran = fake.run(command, &[]);
            assert_eq!(ran.code, 3, "{ran:?}");
            assert!(ran.stderr.contains("apply --live"), "{ran:?}");
        }
        assert!(fake.changes().is_empty());
    }
}
