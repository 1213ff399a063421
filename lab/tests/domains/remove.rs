//! `remove`: domains are as they were before `apply`, byte by byte.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::tools_or_skip;

use crate::machine::{Place, domain};

/// A `pc`, a `q35` whose ports are all free, and one with devices that use them and a password.
fn define(place: &Place) {
    let busy = "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n    \
                <graphics type='vnc' passwd='s3cret'><listen type='none'/></graphics>\n";
    place.define(&[domain("busy", "q35", busy), domain("pc", "pc", ""), domain("q35", "q35", "")]);
}

const DOMAINS: [&str; 3] = ["busy", "pc", "q35"];

fn configs(place: &Place) -> Vec<String> {
    DOMAINS.iter().map(|domain| place.libvirt.config(domain).expect("it is there")).collect()
}

#[test]
fn every_domain_is_as_it_was() {
    let Some(place) = Place::new("every_domain_is_as_it_was") else { return };
    define(&place);
    let before = configs(&place);
    place.exits(0, &["apply", "--all"]);
    let with_device = configs(&place);
    assert!(before.iter().zip(&with_device).all(|(before, now)| before != now));
    let rows = place.rows(1, &["remove", "--all", "--dry-run"]);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["present"; 3], vec!["remove"; 3]));
    assert!(configs(&place) == with_device);

    let rows = place.rows(0, &["remove", "--all"]);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"; 3], vec!["remove"; 3]));
    assert_eq!(configs(&place), before);
    // What was kept is what the domains were with the device.
    let kept = rows.texts("backup").into_iter().map(|path| fs::read_to_string(path).expect("it is kept"));
    assert!(kept.eq(with_device.iter().map(|xml| xml.trim_end().to_owned() + "\n")));

    let kept = place.backups().len();
    let rows = place.rows(0, &["remove", "--all"]);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"; 3], vec!["none"; 3]));
    assert_eq!(place.backups().len(), kept);
}

#[test]
fn case_06_a_device_that_is_there_twice() {
    let Some(place) = Place::new("case_06_a_device_that_is_there_twice") else { return };
    place.define(&[domain("pc", "pc", "")]);
    let before = place.libvirt.config("pc").expect("it is there");
    // As other tools leave it, which run twice and write no alias.
    let element = "<shmem name='fg_i3'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>";
    place.define(&[before.replace("</devices>", &format!("{element}{element}</devices>"))]);
    let twice = place.libvirt.config("pc").expect("it is there");
    assert_eq!(twice.matches("<shmem name='fg_i3'>").count(), 2, "{twice}");
    let rows = place.rows(0, &["remove", "pc"]);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"], vec!["remove"]));
    assert_eq!(place.libvirt.config("pc").expect("it is there"), before);
}

#[test]
fn controllers_that_others_use_by_now_stay() {
    let Some(place) = Place::new("controllers_that_others_use_by_now_stay") else { return };
    place.define(&[domain("q35", "q35", "")]);
    place.exits(0, &["apply", "--all"]);
    let bus = &place.configured("q35", "fg_i3")[..2];
    let sound = "<sound model='ac97'/>";
    place.libvirt.virsh(&["attach-device", "q35", "/dev/stdin", "--config"], sound).expect("it is taken");
    place.exits(0, &["remove", "q35"]);
    let now = place.libvirt.config("q35").expect("it is there");
    let on_the_bridge = format!("bus='0x{bus}' slot='0x02'");
    assert!(now.contains("model='pcie-to-pci-bridge'") && now.contains(&on_the_bridge), "{now}");
    assert_eq!(place.configured("q35", "fg_i3"), "none");
}

/// How long a kernel may take to boot, on a machine that is busy with other things, too.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_guest_that_lets_go() {
    let test = "a_guest_that_lets_go";
    let Some(tools) = tools_or_skip(test) else { return };
    let Some(place) = Place::new(test) else { return };
    let region = place.region();
    let kernel = place.libvirt.bring(&tools.kernel).expect("it can be copied");
    let console = place.libvirt.folder().join("home/console");
    // A kernel that waits for its root device is system enough to eject a device.
    let os = format!(
        "<kernel>{}</kernel><cmdline>console=ttyS0 no_timer_check root=/dev/none rootwait</cmdline></os>",
        kernel.display()
    );
    let serial = format!("    <serial type='file'><source path='{}'/></serial>\n", console.display());
    let xml = domain("pc", "pc", &serial).replace("</os>", &os).replace("'MiB'>64<", "'MiB'>256<");
    place.define(&[xml]);
    let before = place.libvirt.config("pc").expect("it is there");
    place.start(&["pc"]);
    let deadline = Instant::now() + BOOT_LIMIT;
    let said = || String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()).into_owned();
    while !said().contains("Waiting for root device") {
        assert!(Instant::now() < deadline, "it does not boot: {}", said());
        thread::sleep(Duration::from_millis(100));
    }
    let name = ["pc", "--name", &region];
    place.exits(0, &[&["apply", "--live", "--size", "1M"][..], &name].concat());
    let rows = place.rows(0, &[&["remove", "--live", "--timeout", "60"][..], &name].concat());
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"], vec!["remove"]));
    assert_eq!(place.running("pc", &region), "none");
    assert_eq!(place.libvirt.config("pc").expect("it is there"), before);
}

#[test]
fn case_48_a_guest_that_does_not_let_go() {
    let Some(place) = Place::new("case_48_a_guest_that_does_not_let_go") else { return };
    let region = place.region();
    place.define(&[domain("pc", "pc", "")]);
    let before = place.libvirt.config("pc").expect("it is there");
    place.start(&["pc"]);
    let name = ["pc", "--name", &region];
    place.exits(0, &[&["apply", "--live", "--size", "1M"][..], &name].concat());
    // Without --live it only waits for the shutdown,
    let rows = place.rows(6, &[&["remove"][..], &name].concat());
    assert_eq!((rows.texts("state"), rows.texts("waiting")), (vec!["pending"], vec!["cold-start"]));
    assert_eq!(place.libvirt.config("pc").expect("it is there"), before);
    assert_ne!(place.running("pc", &region), "none");
    // and with it for the guest, which has no system that would let go.
    let live = [&["remove", "--live", "--timeout", "0"][..], &name].concat();
    for _ in 0..2 {
        let rows = place.rows(6, &live);
        assert_eq!((rows.texts("state"), rows.texts("waiting")), (vec!["pending"], vec!["guest"]));
    }
    assert_ne!(place.running("pc", &region), "none");
    place.destroy("pc");
    let rows = place.rows(0, &live);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"], vec!["none"]));
}

#[test]
fn a_transient_domain_and_one_whose_bus_is_fixed() {
    let Some(place) = Place::new("a_transient_domain_and_one_whose_bus_is_fixed") else { return };
    let region = place.region();
    let fixed = format!(
        "    <shmem name='{region}'><model type='ivshmem-plain'/><size unit='M'>1</size>\
         <address type='pci' bus='0x00' slot='0x10'/></shmem>\n"
    );
    place.define(&[domain("fixed", "q35", &fixed)]);
    place.start(&["fixed"]);
    let before = place.files();
    // Nothing is changed if not all of it can be.
    let rows = place.rows(5, &["remove", "fixed", "--live", "--name", &region]);
    let told = rows.of("fixed")["error"]["message"].as_str().unwrap_or_default();
    assert!(told.contains("does not support hotplugging"), "{told}");
    assert!(place.files() == before && place.backups().is_empty());
    place.exits(6, &["remove", "fixed", "--name", &region]);

    let transient = place.another();
    let element =
        format!("    <shmem name='{region}'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>\n");
    transient
        .libvirt
        .virsh(&["create", "/dev/stdin"], &domain("transient", "pc", &element))
        .expect("it starts");
    let remove = ["remove", "--all", "--name", &region, "--timeout", "0", "--live"];
    let rows = transient.rows(3, &remove[..4]);
    assert_eq!(rows.of("transient")["error"]["code"], "transient");
    assert_eq!(transient.rows(6, &remove).texts("waiting"), ["guest"]);
}
