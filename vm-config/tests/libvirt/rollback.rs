//! `rollback`.

use std::fs;
use std::path::PathBuf;

use super::fake::{DENIED, DEVICE, Done, Fake};

/// A libvirt whose domains `vm1`... `vm3` got the device, and the folder of that run.
fn applied() -> (Fake, String) {
    let fake = Fake::new();
    for number in 1..=3 {
        fake.define(number, &format!("vm{number}"), "");
    }
    fake.run("apply", &["--all"]).is(0);
    let run = fake.runs()[0].display().to_string();
    (fake, run)
}

fn states(done: &Done) -> Vec<[&str; 2]> {
    done.rows().iter().map(|row| [row[1], row[2]]).collect()
}

#[test]
fn a_run_is_rolled_back_and_that_can_be_rolled_back_too() {
    let (fake, run) = applied();
    let with_device: Vec<String> = (1..=3).map(|number| fake.config(number)).collect();
    let done = fake.run("rollback", &["--from", &run]).is(0);
    assert_eq!(states(&done), [["ok", "restored"]; 3], "{done:?}");
    for number in 1..=3 {
        assert_eq!(fake.config(number), Fake::xml(number, &format!("vm{number}"), ""));
    }
    let changes = fake.changes();
    assert_eq!(states(&fake.run("rollback", &["--from", &run]).is(0)), [["ok", "-"]; 3]);
    assert_eq!((fake.changes(), fake.runs().len()), (changes, 2));

    let one = fake.runs()[1].join(format!("{}.xml", Fake::uuid(2))).display().to_string();
    fake.run("rollback", &["--from", &one]).is(0);
    assert_eq!(fake.config(2), with_device[1]);
    assert_eq!(fake.config(3), Fake::xml(3, "vm3", ""));
}

#[test]
fn edits_of_others_are_taken_back_on_request_only() {
    let (fake, run) = applied();
    let edited = fake.config(2).replace("65536", "70000");
    fake.write(2, "config.xml", &edited);
    let done = fake.run("rollback", &["--from", &run]).is(3);
    assert_eq!(states(&done), [["ok", "restored"], ["refused", "-"], ["ok", "restored"]], "{done:?}");
    assert!(done.out.contains("domain/memory") && done.out.contains("--discard-edits"), "{done:?}");
    assert!(!done.said().contains("70000"), "{done:?}");
    assert_eq!(fake.config(2), edited);
    fake.run("rollback", &["--from", &run, "--discard-edits"]).is(0);
    assert_eq!(fake.config(2), Fake::xml(2, "vm2", ""));
    let kept = fake.runs().pop().unwrap().join(format!("{}.xml", Fake::uuid(2)));
    assert_eq!(fs::read_to_string(kept).unwrap(), edited);
}

#[test]
fn a_device_that_was_replaced_comes_back() {
    let fake = Fake::new();
    let other = DEVICE.replace(">8<", ">4<");
    fake.define(1, "vm1", &other);
    fake.run("apply", &["vm1", "--on-conflict", "replace"]).is(0);
    assert_eq!(fake.config(1), Fake::xml(1, "vm1", DEVICE));
    let run = fake.runs()[0].display().to_string();
    fake.run("rollback", &["--from", &run]).is(0);
    assert_eq!(fake.config(1), Fake::xml(1, "vm1", &other));
}

#[test]
fn what_would_change_is_shown_without_secrets() {
    let (fake, run) = applied();
    let done = fake.run("rollback", &["--from", &run, "--dry-run"]).is(1);
    assert!(done.out.contains("-    <shmem name='fg_i3'>") && done.out.contains("passwd='***'"), "{done:?}");
    let rows = fake.run("rollback", &["--from", &run, "--dry-run", "--json"]).is(1).json();
    assert_eq!((&rows[0]["state"], &rows[0]["action"]), (&"changed".into(), &"restore".into()));
    assert!(rows[0]["diff"].as_str().unwrap().contains("-    <shmem name='fg_i3'>"));
}

#[test]
fn a_domain_that_is_gone_is_told_with_the_way_back() {
    let (fake, run) = applied();
    fs::remove_dir_all(fake.path("domains").join(Fake::uuid(1))).unwrap();
    // One that runs only has no configuration either.
    let running = fake.path("domains").join(Fake::uuid(2));
    fs::rename(running.join("config.xml"), running.join("live.xml")).unwrap();
    let done = fake.run("rollback", &["--from", &run]).is(3);
    assert_eq!(states(&done), [["refused", "-"], ["refused", "-"], ["ok", "restored"]], "{done:?}");
    assert_eq!(done.out.matches("virsh define").count(), 2, "{done:?}");
}

#[test]
fn a_file_that_is_no_backup_does_not_stop_the_others() {
    let (fake, run) = applied();
    let bad = PathBuf::from(&run).join("bad.xml");
    fs::write(&bad, "<domain type='kvm'><name>a</name></domain>").unwrap();
    let done = fake.run("rollback", &["--from", &run]).is(4);
    assert_eq!(states(&done), [["ok", "restored"]; 3], "{done:?}");
    assert!(done.err.contains("bad.xml") && done.err.contains("no <uuid>"), "{done:?}");
    let changes = fake.changes();
    fake.run("rollback", &["--from", &bad.display().to_string()]).is(4);
    let done = fake.run("rollback", &["--from", &fake.path("backups").display().to_string()]).is(4);
    assert!(done.err.contains("the newest is"), "{done:?}");
    fake.run("rollback", &["--from", "/nonexistent"]).is(5);
    assert_eq!(fake.changes(), changes);
}

#[test]
fn case_47_an_edit_at_the_same_time_is_seen() {
    let (fake, run) = applied();
    // After the first look, and before it is defined.
    fake.hook(
        "--security-info",
        "[ \"$count\" -ne 2 ] || sed -i 's/65536/70000/' \"$folder\"/domains/*001/config.xml",
    );
    let one = PathBuf::from(&run).join(format!("{}.xml", Fake::uuid(1))).display().to_string();
    let done = fake.run("rollback", &["--from", &one]).is(3);
    assert!(done.out.contains("domain/memory"), "{done:?}");
    assert!(fake.config(1).contains("70000") && fake.config(1).contains("shmem"));
}

#[test]
fn what_libvirt_only_says_it_defined_is_told() {
    let (fake, run) = applied();
    fake.set("ignores");
    let done = fake.run("rollback", &["--from", &run]).is(5);
    assert_eq!(states(&done), [["failed", "-"]; 3], "{done:?}");
    assert!(done.out.contains("does not show it"), "{done:?}");
}

#[test]
fn a_domain_that_runs_otherwise_is_pending() {
    let (fake, run) = applied();
    // The first runs with the device, the second has not got it yet, the third has it in a saved state.
    fake.write(1, "live.xml", &fake.config(1));
    fake.write(2, "live.xml", &Fake::xml(2, "vm2", ""));
    fake.write(3, "saved.xml", &fake.config(3));
    let done = fake.run("rollback", &["--from", &run]).is(6);
    assert_eq!(
        states(&done),
        [["pending", "restored"], ["ok", "restored"], ["pending", "restored"]],
        "{done:?}"
    );
}

#[test]
fn a_domain_that_runs_with_edits_that_were_taken_back_is_pending() {
    let (fake, run) = applied();
    let edited = fake.config(2).replace("65536", "70000");
    fake.write(2, "config.xml", &edited);
    // The device it has not got yet either, so that alone would leave nothing to wait for.
    fake.write(2, "live.xml", &Fake::xml(2, "vm2", "").replace("65536", "70000"));
    let done = fake.run("rollback", &["--from", &run, "--discard-edits"]).is(6);
    assert_eq!(states(&done), [["ok", "restored"], ["pending", "restored"], ["ok", "restored"]], "{done:?}");
}

#[test]
fn a_domain_that_may_be_at_a_libvirt_that_does_not_answer_is_not_said_to_be_gone() {
    let (fake, run) = applied();
    let silent = Fake::new();
    silent.hook("list", DENIED);
    fs::remove_dir_all(fake.path("domains").join(Fake::uuid(1))).unwrap();
    let done = fake.run("rollback", &["--from", &run, "-c", &silent.uri()]).is(5);
    assert_eq!(states(&done).len(), 2, "{done:?}");
    assert!(!done.out.contains("virsh define"), "{done:?}");
}
