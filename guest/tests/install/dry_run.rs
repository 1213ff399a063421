//! What would be done is told, and not done.

use serde_json::{Value, json};

use crate::system::{INITTAB, PROGRAM, System, UNIT, WANTED};

#[test]
fn the_same_is_told_as_is_done() {
    for system in [System::with_systemd(), System::with_busybox("::sysinit:/bin/true\n")] {
        for command in ["install", "uninstall"] {
            let before = system.files();
            let told = system.done(&[command, "--dry-run"]).stdout;
            assert!(before == system.files(), "{:?}", system.files().keys());
            assert!(told.lines().count() >= 2, "{told}");
            assert_eq!(system.done(&[command]).stdout, told);
            assert!(before != system.files());
        }
    }
}

#[test]
fn json_tells_the_changes_in_their_order() {
    let report = |system: &System, words: &[&str]| -> Value {
        serde_json::from_str(&system.done(words).stdout).unwrap()
    };
    let path = |system: &System, file| system.path(file).display().to_string();

    let system = System::with_systemd();
    let (program, unit, wanted) = (path(&system, PROGRAM), path(&system, UNIT), path(&system, WANTED));
    let changes = json!([
        format!("write {program}, mode 0755"),
        format!("write {unit}, mode 0644"),
        format!("link {wanted} to /{UNIT}"),
    ]);
    let dry = report(&system, &["install", "--json", "--dry-run"]);
    assert_eq!(dry, json!({ "dry_run": true, "changes": changes, "left": [] }));
    let done = report(&system, &["install", "--json"]);
    assert_eq!(done, json!({ "dry_run": false, "changes": changes, "left": [] }));
    assert_eq!(report(&system, &["install", "--json"])["changes"], json!([]));
    let changes = json!([format!("remove {wanted}"), format!("remove {unit}"), format!("remove {program}")]);
    assert_eq!(report(&system, &["uninstall", "--json"])["changes"], changes);

    let system = System::with_busybox("");
    let report = report(&system, &["install", "--json"]);
    assert_eq!(report["changes"][1], format!("write {}, mode 0644", path(&system, INITTAB)));
}
