//! libvirts that do not answer, or not any more.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::fake::{DENIED, DEVICE, Fake};

const COMMANDS: [(&str, &[&str]); 4] =
    [("status", &[]), ("apply", &["--all"]), ("remove", &["--all"]), ("rollback", &["--from"])];

/// Runs every command; `rollback` from a backup of the domain with the number 1.
fn each(fake: &Fake, check: impl Fn(&str, super::fake::Done)) {
    let backup = fake.path("web1.xml");
    fs::write(&backup, Fake::xml(1, "web1", DEVICE)).unwrap();
    for (command, arguments) in COMMANDS {
        let mut arguments = arguments.to_vec();
        let backup = backup.display().to_string();
        if command == "rollback" {
            arguments.push(&backup);
        }
        check(command, fake.run(command, &arguments));
    }
}

#[test]
fn case_49_permission_denied_on_the_socket() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.hook("list", DENIED);
    each(&fake, |command, done| {
        assert_eq!(done.code, 5, "{command}: {done:?}");
        assert!(
            done.err.contains("usermod -aG libvirt") && done.err.contains("Permission denied"),
            "{done:?}"
        );
    });
    assert_eq!(fake.changes(), 0);
}

#[test]
fn case_55_domains_of_the_machine_and_of_a_user_share_a_file_by_its_mode_only() {
    let (system, session) = (Fake::new(), Fake::new());
    system.define(1, "web1", "");
    session.define(2, "desk1", "");
    // The two URIs by their own names, which are folders here.
    let programs = system.path("by-name");
    fs::create_dir(&programs).unwrap();
    let virsh = programs.join("virsh");
    let script = format!(
        "#!/bin/sh\nfor word; do\n    shift\n    case $word in\n        qemu:///system) word={} ;;\n        \
         qemu:///session) word={} ;;\n    esac\n    set -- \"$@\" \"$word\"\ndone\nexec {} \"$@\"\n",
        system.uri(),
        session.uri(),
        system.path("programs/virsh").display()
    );
    fs::write(&virsh, script).unwrap();
    fs::set_permissions(&virsh, fs::Permissions::from_mode(0o755)).unwrap();
    let backups = system.path("backups").display().to_string();

    let both = ["apply", "--all", "-c", "qemu:///system", "-c", "qemu:///session", "--backup-dir", &backups];
    let done = system.run_with(&programs, &both).is(0);
    let uris: Vec<&str> = done.rows().iter().map(|row| row[1]).collect();
    assert_eq!(uris, ["qemu:///system", "qemu:///session"], "{done:?}");
    assert!(system.config(1).contains("<shmem") && session.config(2).contains("<shmem"));
    assert!(done.err.contains("run as different users") && done.err.contains("mode 0660"), "{done:?}");

    let one = system.run_with(&programs, &["status", "-c", "qemu:///session"]).is(0);
    assert!(!one.err.contains("different users"), "{one:?}");
}

#[test]
fn without_virsh_it_is_told_what_to_install() {
    let fake = Fake::new();
    let none = fake.path("none");
    fs::create_dir(&none).unwrap();
    // The machine's own virsh is not to be found either.
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_ivring-vm-config"))
        .args(["apply", "--all", "-c", &fake.uri()])
        .env("PATH", &none)
        .output()
        .unwrap();
    let err = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(5), "{err}");
    assert!(err.contains("apt install libvirt-clients"), "{err}");
}

#[test]
fn a_libvirt_that_fails_does_not_stop_the_others() {
    let (failing, working) = (Fake::new(), Fake::new());
    failing.hook("list", DENIED);
    working.define(1, "web1", "");
    let done = working.run("apply", &["--all", "-c", &failing.uri()]).is(5);
    assert!(done.err.contains(&failing.uri()), "{done:?}");
    assert!(working.config(1).contains("<shmem name='fg_i3'>"));
    // The name may be that of a domain at the libvirt which does not answer.
    working.run("apply", &["elsewhere", "-c", &failing.uri()]).is(5);
    working.run("apply", &["elsewhere"]).is(4);
}

#[test]
fn a_connection_lost_in_the_midst_of_reading_fails_the_rest_only() {
    let fake = Fake::new();
    for number in 1..=70 {
        fake.define(number, &format!("vm{number:02}"), DEVICE);
    }
    // A process reads 64 domains.
    fake.hook("dumpxml", &format!("if [ \"$count\" -gt 64 ]; then\n{DENIED}fi"));
    let done = fake.run("status", &[]).is(5);
    let states: Vec<&str> = done.rows().iter().map(|row| row[1]).collect();
    assert_eq!(states.iter().filter(|state| **state == "ok").count(), 64, "{done:?}");
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 6, "{done:?}");
}

#[test]
fn a_virsh_that_dies_within_a_batch_gives_no_half_answers() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.define(2, "web2", DEVICE);
    // The second document is cut off, and so is the mark of its end.
    fake.hook(
        "dumpxml",
        "if [ \"$count\" -eq 2 ]; then echo '<domain><devices></devices></domain>'; exit 1; fi",
    );
    let done = fake.run("status", &[]).is(5);
    assert!(done.rows().iter().all(|row| row[1] == "failed"), "{done:?}");
}

#[test]
fn a_connection_lost_in_the_midst_of_changing_keeps_what_is_done() {
    let fake = Fake::new();
    for number in 1..=3 {
        fake.define(number, &format!("vm{number}"), "");
    }
    fake.hook("attach-device", &format!("if [ \"$count\" -gt 1 ]; then\n{DENIED}fi"));
    let done = fake.run("apply", &["--all"]).is(5);
    let states: Vec<&str> = done.rows().iter().map(|row| row[1]).collect();
    // The first is changed, but cannot be looked at after the connection was lost with the second.
    assert_eq!(states, ["ok", "failed", "failed"], "{done:?}");
    assert!(fake.config(1).contains("fg_i3") && !fake.config(2).contains("fg_i3"));
    let kept: Vec<_> = fs::read_dir(&fake.runs()[0]).unwrap().collect();
    assert_eq!(kept.len(), 1, "a backup of what was not changed");
}

#[test]
fn a_domain_that_vanishes_after_it_was_listed_fails_alone() {
    let fake = Fake::new();
    for number in 1..=3 {
        fake.define(number, &format!("vm{number}"), "");
    }
    let gone = fake.path("domains").join(Fake::uuid(2));
    fake.hook("dumpxml", &format!("[ \"$count\" -eq 0 ] || rm -rf '{}'", gone.display()));
    let done = fake.run("apply", &["--all"]).is(5);
    let states: Vec<&str> = done.rows().iter().map(|row| row[1]).collect();
    assert_eq!(states, ["ok", "failed", "ok"], "{done:?}");
    assert!(done.out.contains("failed to get domain"), "{done:?}");
}

#[test]
fn what_is_no_xml_is_refused_and_what_is_no_text_fails() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", "");
    fake.write(1, "config.xml", "<domain type='kvm'><devices>");
    let done = fake.run("apply", &["--all"]).is(3);
    let states: Vec<&str> = done.rows().iter().map(|row| row[1]).collect();
    assert_eq!(states, ["refused", "ok"], "{done:?}");
    fs::write(fake.path("domains").join(Fake::uuid(1)).join("config.xml"), b"<domain>\xff</domain>").unwrap();
    let done = fake.run("apply", &["web1"]).is(5);
    assert!(done.out.contains("no text in UTF-8"), "{done:?}");
}

#[test]
fn an_answer_without_end_is_not_kept() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.hook("dumpxml", "case $1 in dumpxml) yes \"<domain>$(seq -s ' ' 2000)\"; exit 1 ;; esac");
    let done = fake.run("status", &[]).is(5);
    assert!(done.out.contains("more than 67108864 bytes"), "{done:?}");
}
