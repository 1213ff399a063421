//! `rollback`: domains get back what they had before a run.

use std::fs;
use std::path::Path;

use crate::machine::{Place, domain};

/// The folder of the run that kept the only backup of `place`.
fn run_folder(place: &Place) -> String {
    let kept = place.backups();
    let run = kept.first().and_then(|file| file.parent()).expect("a run kept something");
    assert!(kept.iter().all(|file| file.starts_with(run)), "of one run: {kept:?}");
    run.display().to_string()
}

#[test]
fn a_run_is_taken_back_and_given_again() {
    let Some(place) = Place::new("a_run_is_taken_back_and_given_again") else { return };
    let graphics = "    <graphics type='vnc' passwd='s3cret'><listen type='none'/></graphics>\n";
    place.define(&[domain("pc", "pc", graphics), domain("q35", "q35", "")]);
    let configs = || ["pc", "q35"].map(|domain| place.libvirt.config(domain).expect("it is there"));
    let before = configs();
    place.exits(0, &["apply", "--all"]);
    let with_device = configs();
    let run = run_folder(&place);
    let looked = place.exits(1, &["rollback", "--from", &run, "--dry-run"]);
    assert!(looked.stdout.contains("-    <shmem name='fg_i3'>"), "{looked:?}");
    assert!(!looked.stdout.contains("s3cret") && !looked.stderr.contains("s3cret"), "{looked:?}");
    assert!(configs() == with_device);

    let rows = place.rows(0, &["rollback", "--from", &run]);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"; 2], vec!["restore"; 2]));
    assert_eq!(configs(), before);
    let again = place.rows(0, &["rollback", "--from", &run]);
    assert_eq!((again.texts("state"), again.texts("action")), (vec!["ok"; 2], vec!["none"; 2]));

    // Back once more, with the controllers.
    let kept = Path::new(rows.texts("backup")[0]).parent().expect("it is in a folder").display().to_string();
    place.exits(0, &["rollback", "--from", &kept]);
    assert_eq!(configs(), with_device);
    place.exits(0, &["status"]);
}

#[test]
fn what_others_edited_since_is_kept() {
    let Some(place) = Place::new("what_others_edited_since_is_kept") else { return };
    place.define(&[domain("pc", "pc", ""), domain("q35", "q35", "")]);
    let before = place.libvirt.config("q35").expect("it is there");
    place.exits(0, &["apply", "--all"]);
    place.libvirt.virsh(&["setmaxmem", "q35", "128M", "--config"], "").expect("it is off");
    place.libvirt.virsh(&["setmem", "q35", "128M", "--config"], "").expect("it is off");
    let edited = place.libvirt.config("q35").expect("it is there");
    let from = run_folder(&place);
    let rows = place.rows(3, &["rollback", "--from", &from]);
    assert_eq!(rows.texts("state"), ["ok", "refused"]);
    let told = rows.of("q35")["error"]["message"].as_str().unwrap_or_default();
    assert!(told.contains("domain/memory") && told.contains("--discard-edits"), "{told}");
    assert_eq!(place.libvirt.config("q35").expect("it is there"), edited);
    let rows = place.rows(0, &["rollback", "--from", &from, "--discard-edits"]);
    assert_eq!(rows.texts("action"), ["none", "restore"]);
    assert_eq!(place.libvirt.config("q35").expect("it is there"), before);
}

#[test]
fn a_domain_that_is_gone_comes_back_by_the_command_that_is_told() {
    let Some(place) = Place::new("a_domain_that_is_gone_comes_back_by_the_command_that_is_told") else {
        return;
    };
    place.define(&[domain("pc", "pc", "")]);
    let before = place.libvirt.config("pc").expect("it is there");
    place.exits(0, &["apply", "pc"]);
    place.libvirt.virsh(&["undefine", "pc"], "").expect("it is off");
    let kept = place.backups().pop().expect("it was kept").display().to_string();
    let told = place.exits(3, &["rollback", "--from", &kept]).stdout;
    assert!(told.contains(&format!("virsh define {kept:?}")), "{told}");
    place.libvirt.virsh(&["define", &kept], "").expect("it is taken");
    assert_eq!(place.libvirt.config("pc").expect("it is there"), before);
    place.exits(0, &["rollback", "--from", &kept]);
}

#[test]
fn a_running_domain_is_as_before_with_its_next_start() {
    let Some(place) = Place::new("a_running_domain_is_as_before_with_its_next_start") else { return };
    let region = place.region();
    place.define(&[domain("pc", "pc", "")]);
    let before = place.libvirt.config("pc").expect("it is there");
    place.start(&["pc"]);
    place.exits(0, &["apply", "pc", "--live", "--name", &region, "--size", "1M"]);
    let rollback = ["rollback", "--name", &region, "--from"];
    let rows = place.rows(6, &[&rollback[..], &[&run_folder(&place)]].concat());
    assert_eq!((rows.texts("state"), rows.texts("waiting")), (vec!["pending"], vec!["cold-start"]));
    assert_eq!(place.libvirt.config("pc").expect("it is there"), before);
    assert_ne!(place.running("pc", &region), "none");
    place.destroy("pc");
    place.start(&["pc"]);
    assert_eq!(place.running("pc", &region), "none");
}

#[test]
fn a_file_that_libvirt_does_not_take_changes_nothing() {
    let Some(place) = Place::new("a_file_that_libvirt_does_not_take_changes_nothing") else { return };
    place.define(&[domain("pc", "pc", "")]);
    place.exits(0, &["apply", "pc"]);
    let kept = place.backups().pop().expect("it was kept");
    let xml = fs::read_to_string(&kept).expect("it can be read");
    fs::write(&kept, xml.replace("<memory unit='KiB'>", "<memory unit='nonsense'>"))
        .expect("it can be written");
    let (files, backups) = (place.files(), place.backups());
    let from = kept.display().to_string();
    let rows = place.rows(5, &["rollback", "--from", &from, "--discard-edits"]);
    assert_eq!(rows.of("pc")["error"]["code"], "libvirt");
    assert!(place.files() == files && place.backups() == backups);
}
