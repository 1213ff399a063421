//! Passwords of domains are seen nowhere, and kept for their owner only.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::fake::{DEVICE, Fake, SECRET};

#[test]
fn case_46_passwords_survive_and_are_told_nowhere() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    let other = DEVICE.replace(">8<", ">4<");
    fake.define(2, "web2", &other);
    fake.define(3, "web3", "");
    fake.write(3, "config.xml", &format!("<domain type='kvm'><graphics passwd='{SECRET}'"));
    let before = fake.config(1);
    let mut said = String::new();
    let mut run = |command: &str, arguments: &[&str]| {
        for json in [&[][..], &["--json"]] {
            said += &fake.run(command, &[arguments, json].concat()).said();
        }
    };
    run("apply", &["--all", "--dry-run"]);
    run("apply", &["--all", "--on-conflict", "replace"]);
    run("status", &[]);
    let kept = fake.runs()[0].clone();
    let from = kept.display().to_string();
    run("rollback", &["--from", &from, "--dry-run"]);
    run("rollback", &["--from", &from]);
    run("apply", &["web1"]);
    run("remove", &["--all", "--dry-run"]);
    fs::write(
        fake.path("hook"),
        "case $* in detach*) cat \"$input\" >&2; fail 'Failed' 'no'; exit 1 ;; esac",
    )
    .unwrap();
    run("remove", &["--all"]);
    fs::remove_file(fake.path("hook")).unwrap();
    run("remove", &["--all"]);
    assert!(said.contains("restored") && said.contains("removed"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(fake.config(1), before);
    assert!(before.contains(SECRET) && fake.config(2).contains(SECRET));
    // They are in the backups, or a rollback would lose them.
    let backup = kept.join(format!("{}.xml", Fake::uuid(2)));
    assert!(fs::read_to_string(&backup).unwrap().contains(SECRET));
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backup), mode(&kept)), (0o600, 0o700));
    // And on no command line, where every user of the machine sees them.
    assert!(fake.calls().iter().all(|call| !call.contains(SECRET)));
}
