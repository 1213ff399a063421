//! What is asked on a terminal.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::fake::{DEVICE, Fake};

/// Runs `ivring-vm-config ARGUMENTS` on a terminal, on which `answer` is typed; its exit code and what is on the terminal.
fn on_a_terminal(fake: &Fake, arguments: &str, answer: &str) -> (i32, String) {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", fake.path("programs").display());
    let (uri, backups, state) = (fake.uri(), fake.path("backups"), fake.path("watch.json"));
    let command = format!(
        "'{}' {arguments} -c '{uri}' --backup-dir '{}' --state-file '{}'",
        env!("CARGO_BIN_EXE_ivring-vm-config"),
        backups.display(),
        state.display()
    );
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of every Debian's bsdutils, runs");
    let mut keyboard = script.stdin.take().unwrap();
    keyboard.write_all(answer.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    drop(keyboard);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_person_is_asked_before_all_domains_are_changed() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", "");
    fake.define(3, "web3", DEVICE);
    let (code, said) = on_a_terminal(&fake, "apply --all", "n\n");
    assert!(code == 1 && said.contains("2 domains will have the device and can then do no save"), "{said}");
    let (code, said) = on_a_terminal(&fake, "remove --all", "\n");
    assert!(code == 1 && said.contains("1 domain will lose the device"), "{said}");
    fs::write(fake.path("web3.xml"), Fake::xml(3, "web3", "")).unwrap();
    let rollback = format!("rollback --from '{}'", fake.path("web3.xml").display());
    let (code, said) = on_a_terminal(&fake, &rollback, "no\n");
    assert!(code == 1 && said.contains("1 domain will be configured as in"), "{said}");
    assert_eq!(fake.changes(), 0);

    let (code, said) = on_a_terminal(&fake, &rollback, "yes\n");
    assert!(code == 0 && said.contains("restored"), "{said}");
    // Not about a domain that was named, nor about one that needs nothing.
    for arguments in ["apply web1", "remove web3 --yes", "remove --all --exclude web1", &rollback] {
        let (code, said) = on_a_terminal(&fake, arguments, "");
        assert!(code == 0 && !said.contains("Go on?"), "{arguments}: {said}");
    }
    let (code, said) = on_a_terminal(&fake, "apply --all", "Y\n");
    assert!(code == 0 && said.contains("Go on?") && said.contains("added"), "{said}");
}
