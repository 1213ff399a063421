//! Systems whose init reads /etc/inittab.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::system::{INITTAB, PROGRAM, System};

const OTHERS: &str = "::sysinit:/etc/init.d/rcS\ntty1::askfirst:/bin/sh\n";

#[test]
fn busybox_gets_a_line_that_goes_again() {
    let system = System::with_busybox(OTHERS);
    fs::set_permissions(system.path(INITTAB), Permissions::from_mode(0o640)).unwrap();
    let before = system.files();
    system.done(&["install"]);
    assert!(system.has_program_at(PROGRAM));
    let text = system.text(INITTAB);
    let added = text.strip_prefix(OTHERS).unwrap();
    let (mark, line) = added.split_once('\n').unwrap();
    assert!(mark.starts_with('#') && mark.contains("ivring-agent install"), "{mark}");
    assert_eq!(line, "::respawn:/usr/local/bin/ivring-agent run 2>/dev/kmsg\n");
    assert_eq!(system.mode(INITTAB), 0o640, "its permissions are the owner's");
    assert_eq!(system.files().len(), before.len() + 1);

    let installed = system.files();
    assert_eq!(system.done(&["install"]).stdout, "already so\n");
    assert!(installed == system.files());

    system.done(&["uninstall"]);
    assert!(before == system.files(), "{}", system.text(INITTAB));
    assert_eq!(system.mode(INITTAB), 0o640);
}

#[test]
fn sysvinit_gets_an_id_and_runlevels() {
    let system = System::new();
    system.write("sbin/init", "");
    system.write(INITTAB, "id:2:initdefault:\n");
    system.done(&["install", "--prefix", "/usr"]);
    let text = system.text(INITTAB);
    assert!(text.starts_with("id:2:initdefault:\n"), "{text}");
    assert!(text.ends_with("\nivri:2345:respawn:/usr/bin/ivring-agent run 2>/dev/kmsg\n"), "{text}");
    system.done(&["install", "--prefix", "/opt"]);
    assert_eq!(system.text(INITTAB).matches("ivring-agent run").count(), 1);
    system.done(&["uninstall"]);
    assert_eq!(system.text(INITTAB), "id:2:initdefault:\n");
    assert!(system.files().keys().all(|path| !path.ends_with("ivring-agent")));
}
