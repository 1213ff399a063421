//! Systems with systemd.

use std::fs;
use std::path::Path;

use crate::system::{PROGRAM, System, UNIT, WANTED, exists};

const SHIPPED: &str = include_str!("../../dist/ivring-agent.service");

#[test]
fn what_is_installed_is_enabled_and_goes_again() {
    let system = System::with_systemd();
    system.write("etc/systemd/system/other.service", "other");
    system.write("usr/local/bin/other", "other");
    let before = system.files();

    system.done(&["install"]);
    assert!(system.has_program_at(PROGRAM));
    assert_eq!((system.text(UNIT).as_str(), system.mode(UNIT)), (SHIPPED, 0o644));
    // As `systemctl enable` makes it: the system's own path, not the path here.
    assert_eq!(
        fs::read_link(system.path(WANTED)).unwrap(),
        Path::new("/etc/systemd/system/ivring-agent.service")
    );
    assert_eq!(system.files().len(), before.len() + 3);

    let installed = system.files();
    assert_eq!(system.done(&["install"]).stdout, "already so\n");
    assert!(installed == system.files());

    system.done(&["uninstall"]);
    assert!(before == system.files(), "{:?}", system.files().keys());
    assert_eq!(system.done(&["uninstall"]).stdout, "already so\n");
}

#[test]
fn only_what_differs_is_changed() {
    let system = System::with_systemd();
    system.done(&["install"]);
    // An older program, an older unit, a service that was disabled, a program that lost its mode.
    let older = [fs::read(system.path(PROGRAM)).unwrap(), b"older".to_vec()].concat();
    fs::write(system.path(PROGRAM), older).unwrap();
    let told = system.done(&["install"]).stdout;
    assert_eq!(told, format!("write {}, mode 0755\n", system.path(PROGRAM).display()));
    assert!(system.has_program_at(PROGRAM));

    system.write(UNIT, &SHIPPED.replace("Restart=always", "Restart=no"));
    let told = system.done(&["install"]).stdout;
    assert_eq!(told, format!("write {}, mode 0644\n", system.path(UNIT).display()));
    assert_eq!(system.text(UNIT), SHIPPED);

    fs::remove_file(system.path(WANTED)).unwrap();
    let told = system.done(&["install"]).stdout;
    assert!(told.starts_with("link ") && told.lines().count() == 1, "{told}");
    assert!(exists(&system.path(WANTED)));
}

#[test]
fn another_prefix_takes_the_place_of_the_first() {
    let system = System::with_systemd();
    let before = system.files();
    system.done(&["install"]);
    system.done(&["install", "--prefix", "/opt/ivring"]);
    assert!(system.has_program_at("opt/ivring/bin/ivring-agent"));
    assert!(!exists(&system.path(PROGRAM)), "the first one is gone");
    let command = "\nExecStart=/opt/ivring/bin/ivring-agent run\n";
    assert!(system.text(UNIT).contains(command), "{}", system.text(UNIT));
    system.done(&["uninstall"]);
    assert!(before == system.files(), "{:?}", system.files().keys());
}

#[test]
fn files_of_others_are_left_and_named() {
    let system = System::with_systemd();
    system.write(PROGRAM, "of somebody else");
    system.write(UNIT, "of somebody else");
    system.link("/etc/systemd/system/ivring-agent.service", WANTED);
    system.write("etc/systemd/system/ivring-agent.service.d/override.conf", "of somebody else");
    let before = system.files();
    let outcome = system.done(&["uninstall", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["changes"], serde_json::json!([]));
    for (left, file) in report["left"].as_array().unwrap().iter().zip([UNIT, PROGRAM]) {
        assert_eq!(left.as_str().unwrap(), system.path(file).to_str().unwrap());
        assert!(outcome.stderr.contains(left.as_str().unwrap()), "{}", outcome.stderr);
    }
    assert!(before == system.files());
}

#[test]
fn links_in_an_image_never_lead_out_of_it() {
    let outside = System::new();
    let system = System::with_systemd();
    // With the root of this machine in its place, each would lead to `outside`.
    let target = outside.path("");
    system.link(target.to_str().unwrap(), "usr/local");
    system.link(target.to_str().unwrap(), "etc/systemd");
    system.done(&["install"]);
    assert!(outside.files().is_empty(), "{:?}", outside.files().keys());
    let below = target.strip_prefix("/").unwrap().to_str().unwrap();
    assert!(system.has_program_at(&format!("{below}/bin/ivring-agent")));
    assert!(exists(&system.path(&format!("{below}/system/ivring-agent.service"))));
    system.done(&["uninstall"]);
    assert!(!exists(&system.path(&format!("{below}/bin/ivring-agent"))));
}
