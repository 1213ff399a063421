//! `host` as an administrator meets it: what it prints, and its exit codes. What it finds on a host is tried with hosts that
//! are folders; here the host is the one that the tests run on.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::fake::{DENIED, Done, Fake};

fn host(fake: &Fake, arguments: &[&str]) -> Done {
    fake.run_with(&fake.path("programs"), &[&["host"], arguments].concat())
}

/// `host check` at the libvirt of `fake`.
fn check(fake: &Fake, arguments: &[&str]) -> Done {
    host(fake, &[&["check", "--name", "ivring-test-absent", "-c", &fake.uri()], arguments].concat())
}

/// The one line of `name`.
fn line(done: &Done, name: &str) -> Value {
    let lines: Vec<Value> = done.json().into_iter().filter(|line| line["check"] == name).collect();
    let [line] = <[Value; 1]>::try_from(lines).unwrap();
    line
}

#[test]
fn the_lines_are_the_same_for_people_and_for_programs() {
    let fake = Fake::new();
    let (told, printed) = (check(&fake, &["--json"]), check(&fake, &[]));
    assert_eq!(told.code, printed.code);
    let lines = told.json();
    for line in &lines {
        let members: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(members, ["check", "next", "says", "verdict"], "{line}");
        assert!(
            ["ok", "failed", "pending", "unknown"].contains(&line["verdict"].as_str().unwrap()),
            "{line}"
        );
        if let Some(next) = line["next"].as_str() {
            assert!(printed.out.contains(&format!("-> {next}\n")), "{next}");
        }
    }
    let names: Vec<&str> = lines.iter().map(|line| line["check"].as_str().unwrap()).collect();
    let printed: Vec<&str> = printed
        .out
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(names, printed);
    let failed = lines.iter().filter(|line| line["verdict"] == "failed").count();
    assert_eq!(told.code, i32::from(failed > 0), "{told:?}");
}

#[test]
fn a_libvirt_that_answers_is_told_with_its_version() {
    let fake = Fake::new();
    let line = line(&check(&fake, &["--json"]), "libvirt");
    assert_eq!(line["verdict"], "ok");
    assert_eq!(line["says"], format!("{} answers, libvirt 9.0.0", fake.uri()));
    assert!(fake.calls().iter().any(|call| call.contains("version --daemon; ")), "{:?}", fake.calls());
    assert_eq!(fake.changes(), 0);
}

#[test]
fn a_libvirt_that_refuses_its_user_fails() {
    let fake = Fake::new();
    fs::write(fake.path("hook"), DENIED).unwrap();
    let done = check(&fake, &["--json"]).is(1);
    let line = line(&done, "libvirt");
    assert_eq!(line["verdict"], "failed");
    assert!(line["says"].as_str().unwrap().contains("Permission denied"), "{line}");
    assert_eq!(line["next"], "usermod -aG libvirt USER");
    assert!(done.err.contains(" failed: first "), "{done:?}");
}

#[test]
fn a_libvirt_that_does_not_run_fails() {
    let fake = Fake::new();
    let hook = DENIED.replace("Permission denied", "No such file or directory");
    fs::write(fake.path("hook"), hook).unwrap();
    let line = line(&check(&fake, &["--json"]).is(1), "libvirt");
    let next = line["next"].as_str().unwrap();
    assert!(["systemctl start libvirtd", "systemctl start virtqemud.socket"].contains(&next), "{line}");
}

#[test]
fn another_complaint_of_libvirt_is_told_as_it_is() {
    let fake = Fake::new();
    fs::write(fake.path("hook"), "fail 'internal error: oh dear'; exit 1\n").unwrap();
    let line = line(&check(&fake, &["--json"]).is(1), "libvirt");
    assert_eq!(line["verdict"], "failed");
    assert_eq!(line["next"], format!("virsh -c {} list --all", fake.uri()));
}

#[test]
fn an_emulator_of_libvirt_is_asked_for_the_device() {
    let fake = Fake::new();
    let qemu = fake.path("qemu");
    fs::write(&qemu, "#!/bin/sh\necho \"Device 'ivshmem-plain' not found\" >&2\n").unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let qemu = qemu.display();
    let xml = format!(
        "<capabilities><host><cpu><arch>{ARCH}</arch></cpu></host><guest><arch name='{ARCH}'>\
         <emulator>{qemu}</emulator></arch></guest></capabilities>"
    );
    fs::write(fake.path("capabilities"), xml).unwrap();
    let done = check(&fake, &["--json"]);
    let says = format!("{qemu} is built without ivshmem");
    assert!(done.json().iter().any(|line| line["says"].as_str().unwrap().starts_with(&says)), "{done:?}");
}

#[test]
fn the_regions_of_all_domains_are_looked_at() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", "");
    let done = check(&fake, &["--per-domain", "--json"]);
    let files: Vec<Value> = done.json().into_iter().filter(|line| line["check"] == "region-file").collect();
    assert_eq!(files.len(), 2, "{done:?}");
    for (number, line) in (1..).zip(&files) {
        let path = format!("/dev/shm/ivring-test-absent-{}", Fake::uuid(number));
        assert!(line["says"].as_str().unwrap().starts_with(&path), "{line}");
    }
    let lines = host(&fake, &["tmpfiles", "-c", &fake.uri(), "--per-domain"]).is(0);
    let lines: Vec<&str> = lines.out.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].starts_with(&format!("f /dev/shm/fg_i3-{} 0660 ", Fake::uuid(2))), "{lines:?}");
}

#[test]
fn the_regions_of_a_libvirt_that_does_not_answer_are_not_known() {
    let fake = Fake::new();
    fs::write(fake.path("hook"), DENIED).unwrap();
    let done = host(&fake, &["tmpfiles", "-c", &fake.uri(), "--per-domain"]).is(5);
    assert_eq!(done.out, "");
    assert!(done.err.contains("usermod -aG libvirt"), "{done:?}");
    let done = check(&fake, &["--per-domain", "--json"]).is(1);
    assert_eq!(line(&done, "libvirt")["verdict"], "failed");
    assert!(!done.out.contains("region-file"), "{done:?}");
}

#[test]
fn without_virsh_libvirt_is_unknown() {
    let fake = Fake::new();
    let output = Command::new(env!("CARGO_BIN_EXE_ivring-vm-config"))
        .args(["host", "check", "--json"])
        // The machine's own virsh is not to be found either.
        .env("PATH", fake.path("nowhere"))
        .output()
        .unwrap();
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let line = lines.iter().find(|line| line["check"] == "libvirt").unwrap();
    assert_eq!(line["verdict"], "unknown");
    assert_eq!(line["says"], "virsh is not installed: libvirt cannot be asked");
    assert!(line["next"].as_str().unwrap().contains("install"), "{line}");
}

#[test]
fn remedies_are_printed_and_nothing_else() {
    let fake = Fake::new();
    let printed = host(&fake, &["apparmor"]).is(0);
    assert_eq!((printed.out.as_str(), printed.err.as_str()), ("/dev/shm/fg_i3 rw,\n", ""));
    assert_eq!(host(&fake, &["apparmor", "--per-domain"]).is(0).out, "/dev/shm/fg_i3-* rw,\n");
    let printed = host(&fake, &["selinux", "--name", "r"]).is(0);
    assert_eq!(printed.out, "semanage fcontext -a -t svirt_tmpfs_t '/dev/shm/r'\nrestorecon -v /dev/shm/r\n");
    let printed = host(&fake, &["tmpfiles"]).is(0);
    assert!(printed.out.lines().last().unwrap().starts_with("f /dev/shm/fg_i3 0660 "), "{printed:?}");
    assert_eq!(printed.err, "");
    assert!(fake.calls().is_empty(), "a remedy for one region asks nobody: {:?}", fake.calls());
}

#[test]
fn names_and_sizes_are_checked_first() {
    let fake = Fake::new();
    let long = "a".repeat(219);
    for arguments in [
        &["check", "--name", "a/b"][..],
        &["check", "--size", "6M"],
        &["tmpfiles", "--name", "../x"],
        &["apparmor", "--name", "a b"],
        &["selinux", "--name", &long, "--per-domain"],
    ] {
        let done = host(&fake, arguments).is(4);
        assert_eq!(done.out, "", "{arguments:?}");
    }
    host(&fake, &[]).is(2);
    assert!(fake.calls().is_empty());
}
