//! What is refused, before anything is changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::system::{AGENT, INITTAB, Outcome, PROGRAM, System, UNIT};

/// The command must exit with `code` and say `words`, and nothing may change.
fn refuses(system: &System, arguments: &[&str], code: i32, words: &str) {
    let before = system.files();
    let outcome = system.agent(arguments);
    assert_eq!(outcome.code, code, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{words:?} is not in: {}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    assert!(before == system.files(), "{:?}", system.files().keys());
}

#[test]
fn a_system_without_a_known_init() {
    let system = System::new();
    system.write("sbin/init", "");
    refuses(
        &system,
        &["install"],
        3,
        "looked for usr/lib/systemd/systemd, lib/systemd/systemd, and etc/inittab",
    );
    assert_eq!(system.done(&["uninstall"]).stdout, "already so\n");
}

#[test]
fn files_of_others_in_the_way() {
    for (file, text) in [(PROGRAM, "a program of somebody else"), (UNIT, "[Service]\nExecStart=/bin/true\n")]
    {
        let system = System::with_systemd();
        system.write(file, text);
        refuses(&system, &["install"], 3, "was not put there by `ivring-agent install`");
    }
    let masked = System::with_systemd();
    masked.link("/dev/null", UNIT);
    refuses(&masked, &["install"], 3, UNIT);
    let by_hand = System::with_busybox("# first\n::respawn:/bin/ivring-agent run --name web1\n");
    refuses(&by_hand, &["install"], 3, "line 2 of ");
    let linked = System::with_busybox("");
    fs::rename(linked.path(INITTAB), linked.path("etc/other")).unwrap();
    linked.link("other", INITTAB);
    refuses(&linked, &["install"], 3, INITTAB);
}

#[test]
fn arguments_that_make_no_sense() {
    let system = System::with_systemd();
    refuses(&system, &["install", "--prefix", "usr"], 4, "--prefix 'usr'");
    refuses(&system, &["install", "--prefix", "/with space"], 4, "an absolute path");
    for command in ["install", "uninstall"] {
        let outcome = Outcome::of(Command::new(AGENT).args([command, "--root", "/no/such/root"]));
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("/no/such/root: no such directory"), "{}", outcome.stderr);
    }
}

#[test]
fn directories_that_cannot_be_written_to() {
    let system = System::with_systemd();
    system.write("etc/systemd/system/other.service", "");
    system.write("usr/local/bin/other", "");
    let directory = system.path("etc/systemd/system");
    // The last of the changes is the one that is not allowed: none may have been made.
    for (file, mode) in [("usr/local/bin", 0o777), ("etc/systemd/system", 0o555)] {
        fs::set_permissions(system.path(file), Permissions::from_mode(mode)).unwrap();
    }
    let mut command = as_anybody(&system);
    let before = system.files();
    let outcome = Outcome::of(command.args(["install", "--root"]).arg(system.path("")));
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    let words = format!("can't write to {}", directory.display());
    assert!(
        outcome.stderr.contains(&words) && outcome.stderr.contains("nothing was changed"),
        "{}",
        outcome.stderr
    );
    assert!(before == system.files(), "{:?}", system.files().keys());
}

#[test]
fn somebody_who_is_not_root() {
    let folder = System::new();
    for command in ["install", "uninstall"] {
        let outcome = Outcome::of(as_anybody(&folder).args([command, "--dry-run"]));
        assert_eq!(outcome.code, 5, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("run it as root"), "{}", outcome.stderr);
    }
}

/// The agent as a user without rights starts it: as the user `nobody` where the test is root.
fn as_anybody(folder: &System) -> Command {
    // That user may not be able to reach the folder of the build.
    let program = folder.path("agent-of-anybody");
    // By another process: a program that this one has open for writing, even in a child of another test, can't be run.
    assert!(Command::new("cp").arg(AGENT).arg(&program).status().unwrap().success());
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}
