//! `apply` on the configurations of domains that do not run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::machine::{Place, Ran, domain};

/// A password as a domain may have one.
const PASSWORD: &str = "s3cr3t-w";

/// A screen that asks for the password, and words of another program.
fn with_password(name: &str, machine: &str) -> String {
    let screen =
        format!("    <graphics type='vnc' passwd='{PASSWORD}'/>\n    <video><model type='vga'/></video>\n");
    let metadata = "  <metadata><x:note xmlns:x='urn:example'>kept &amp; <!-- here --> <x:b/></x:note></metadata>\n  <memory";
    domain(name, machine, &screen).replacen("  <memory", metadata, 1)
}

/// The lines of `after` that are not in `before`, which must have all others in the same order.
fn added(before: &str, after: &str) -> Vec<String> {
    let mut old = before.lines().peekable();
    let added =
        after.lines().filter(|line| old.next_if(|old| old == line).is_none()).map(str::to_owned).collect();
    assert_eq!(old.next(), None, "only added to:\n{before}\n{after}");
    added
}

#[track_caller]
fn tells_no_secret(ran: &Ran) {
    assert!(!ran.stdout.contains(PASSWORD) && !ran.stderr.contains(PASSWORD), "{ran:?}");
}

#[test]
fn every_domain_gets_the_device_once() {
    let Some(place) = Place::new("every_domain_gets_the_device_once") else { return };
    place.define(&[domain("pc", "pc", ""), domain("q35", "q35", "")]);
    let before = ["pc", "q35"].map(|name| place.libvirt.config(name).expect("it is there"));

    place.exits(1, &["status"]);
    let rows = place.rows(0, &["apply", "--all"]);
    assert_eq!(rows.texts("domain"), ["pc", "q35"]);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"; 2], vec!["insert"; 2]));
    assert_eq!(rows.of("pc")["address"], "00:1f.0");
    assert_eq!(place.configured("pc", "fg_i3"), "00:1f.0");
    assert_eq!(rows.of("q35")["address"], *place.configured("q35", "fg_i3"));
    let lines = added(&before[0], &place.libvirt.config("pc").expect("it is there"));
    assert_eq!(
        lines.iter().map(|line| line.trim()).collect::<Vec<_>>(),
        [
            "<shmem name='fg_i3'>",
            "<model type='ivshmem-plain'/>",
            "<size unit='M'>8</size>",
            "<alias name='ua-fg_i3'/>",
            "<address type='pci' domain='0x0000' bus='0x00' slot='0x1f' function='0x0'/>",
            "</shmem>",
        ]
    );
    added(&before[1], &place.libvirt.config("q35").expect("it is there"));

    let (files, backups) = (place.files(), place.backups());
    assert_eq!(backups.len(), 2);
    let again = place.rows(0, &["apply", "--all"]);
    assert_eq!((again.texts("state"), again.texts("action")), (vec!["ok"; 2], vec!["none"; 2]));
    place.exits(0, &["status"]);
    assert!(place.files() == files, "a second apply leaves every byte");
    assert_eq!(place.backups(), backups);
}

#[test]
fn case_45_names_that_are_options_or_markup() {
    let Some(place) = Place::new("case_45_names_that_are_options_or_markup") else { return };
    let names = ["--all", "-c", "a&b c", "ü; list", "'\"", "3", "\u{1b}[31m"];
    for name in &names[..6] {
        place.define(&[domain(&name.replace('&', "&amp;"), "pc", "")]);
    }
    let rows = place.rows(0, &["apply", "--", "--all", "a&b c", "3"]);
    assert_eq!(rows.texts("action"), ["insert"; 3]);
    let rows = place.rows(0, &["apply", "--all"]);
    let mut told = rows.texts("domain");
    told.sort_unstable();
    let mut sorted = names[..6].to_vec();
    sorted.sort_unstable();
    assert_eq!(told, sorted);
    place.exits(0, &["status"]);
    place.exits(4, &["status", "no&such"]);
}

#[test]
fn case_46_passwords_stay_and_are_told_to_nobody() {
    let Some(place) = Place::new("case_46_passwords_stay_and_are_told_to_nobody") else { return };
    place.define(&[with_password("pc", "pc"), with_password("q35", "q35")]);
    let before = ["pc", "q35"].map(|name| place.libvirt.config(name).expect("it is there"));
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["apply", "--all", "--dry-run"],
        &["apply", "--all"],
        &["apply", "--all", "--json"],
        // By definition of the whole XML.
        &["apply", "--all", "--size", "16M"],
        &["apply", "--all", "--size", "16M", "--on-conflict", "replace", "--json"],
    ] {
        tells_no_secret(&place.run(arguments, ""));
    }
    for (name, before) in ["pc", "q35"].iter().zip(&before) {
        let after = place.libvirt.config(name).expect("it is there");
        assert!(after.contains(&format!("passwd='{PASSWORD}'")), "{after}");
        let lines = added(before, &after);
        assert!(lines.iter().any(|line| line.contains("<size unit='M'>16</size>")), "{lines:?}");
        assert!(after.contains("kept &amp; <!-- here --> <x:b/>"), "{after}");
    }
    let backups = place.backups();
    assert_eq!(backups.len(), 4, "of two runs");
    for backup in &backups {
        let mode =
            |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(backup), mode(backup.parent().expect("it is in a folder"))), (0o600, 0o700));
    }
    for before in &before {
        let same =
            |backup: &&std::path::PathBuf| fs::read_to_string(backup).expect("it can be read") == **before;
        assert_eq!(backups.iter().filter(same).count(), 1);
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let Some(place) = Place::new("a_dry_run_changes_nothing") else { return };
    place.define(&[domain("pc", "pc", ""), domain("q35", "q35", "")]);
    let files = place.files();
    let ran = place.exits(1, &["apply", "--all", "--dry-run"]);
    let line = ran.stdout.lines().find(|line| line.starts_with("pc ")).expect("there is a line for it");
    for word in ["missing", "insert", "00:1f.0", "save", "managedsave", "migration"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    let rows = place.rows(1, &["apply", "--all", "--dry-run"]);
    assert_eq!(rows.of("q35")["loses"][0], "save");
    assert_eq!(rows.of("q35")["done"], false);
    assert!(place.files() == files && place.backups().is_empty());

    // libvirt agrees about what is lost, when the device is there.
    place.exits(0, &["apply", "--all"]);
    place.exits(0, &["apply", "--all", "--dry-run"]);
}

#[test]
fn some_are_left_out_and_some_for_later() {
    let Some(place) = Place::new("some_are_left_out_and_some_for_later") else { return };
    place.define(&["web1", "web2", "win1"].map(|name| domain(name, "pc", "")));
    let apply = ["apply", "--all", "--exclude", "win*", "--limit", "1"];
    for (states, actions) in [
        (["ok", "missing", "excluded"], ["insert", "insert", "none"]),
        (["ok", "ok", "excluded"], ["none", "insert", "none"]),
        (["ok", "ok", "excluded"], ["none", "none", "none"]),
    ] {
        let rows = place.rows(0, &apply);
        assert_eq!((rows.texts("state"), rows.texts("action")), (states.to_vec(), actions.to_vec()));
    }
    assert_eq!(place.configured("win1", "fg_i3"), "none");
    place.exits(0, &["status", "--exclude", "win*"]);
    place.exits(1, &["status"]);
}

#[test]
fn case_50_one_refused_the_others_done() {
    let Some(place) = Place::new("case_50_one_refused_the_others_done") else { return };
    let small = "    <shmem name='fg_i3'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>\n";
    let mut domains: Vec<String> = (10..20).map(|number| domain(&format!("web{number}"), "pc", "")).collect();
    domains.insert(5, domain("small", "pc", small));
    place.define(&domains);
    let differing = place.libvirt.config("small").expect("it is there");
    let ran = place.exits(3, &["apply", "--all"]);
    assert_eq!(ran.stdout.lines().filter(|line| line.contains(" added ")).count(), 10, "{}", ran.stdout);
    let line = ran.stdout.lines().find(|line| line.starts_with("small ")).expect("there is a line for it");
    assert!(line.contains("differs") && line.contains("--on-conflict"), "{line}");
    assert_eq!(place.libvirt.config("small").expect("it is there"), differing);

    let rows = place.rows(0, &["apply", "--all", "--on-conflict", "replace"]);
    assert_eq!(rows.of("small")["action"], "replace");
    place.exits(0, &["status"]);
}

#[test]
fn a_qemu_without_the_device() {
    let Some(place) = Place::new("a_qemu_without_the_device") else { return };
    let emulator = place.qemu_without_ivshmem();
    let emulator = format!("    <emulator>{}</emulator>\n", emulator.display());
    place.define(&[domain("with", "pc", ""), domain("without", "pc", &emulator)]);
    let without = place.libvirt.config("without").expect("it is there");
    for arguments in [&["apply", "--all", "--dry-run"][..], &["apply", "--all"]] {
        let rows = place.rows(3, arguments);
        assert_eq!(rows.of("without")["error"]["code"], "no-device");
        assert_eq!((&rows.of("with")["action"], &rows.of("with")["error"]), (&"insert".into(), &().into()));
    }
    assert_eq!(place.configured("with", "fg_i3"), "00:1f.0");
    assert_eq!(place.libvirt.config("without").expect("it is there"), without);
    assert_eq!(place.backups().len(), 1);
}

#[test]
fn case_55_two_libvirts_and_one_that_is_down() {
    let Some(place) = Place::new("case_55_two_libvirts_and_one_that_is_down") else { return };
    let second = place.another();
    place.define(&[domain("a", "pc", "")]);
    second.define(&[domain("a", "q35", ""), domain("b", "pc", "")]);
    let (first, other) = (place.libvirt.uri(), second.libvirt.uri());
    let rows = place.rows(5, &["apply", "--all", "-c", &first, "-c", "test:///nosuch", "-c", &other]);
    assert_eq!(rows.texts("uri"), [&*first, &other, &other]);
    assert_eq!(rows.texts("action"), ["insert"; 3]);
    let ran = place.exits(0, &["status", "-c", &first, "-c", &other]);
    assert!(ran.stdout.starts_with("DOMAIN  URI"), "{}", ran.stdout);
    place.exits(5, &["status", "-c", "test:///nosuch"]);
}
