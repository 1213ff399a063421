//! `apply --live`: domains that run get the device at once.

use crate::machine::{Place, domain};

fn controller(index: u8, model: &str) -> String {
    format!("    <controller type='pci' index='{index}' model='{model}'/>\n")
}

/// Without this libvirt adds devices, and root ports for them and for one more.
const NOTHING: &str = "    <controller type='usb' model='none'/>\n    <memballoon model='none'/>\n";

#[test]
fn a_running_domain_gets_it_at_once_and_for_later() {
    let Some(place) = Place::new("a_running_domain_gets_it_at_once_and_for_later") else { return };
    let region = place.region();
    let bridge = [controller(1, "pcie-root-port"), controller(2, "pcie-to-pci-bridge")].concat();
    place.define(&[
        domain("bridge", "q35", &bridge),
        domain("off", "q35", ""),
        domain("pc", "pc", ""),
        domain("port", "q35", &[&controller(1, "pcie-root-port"), NOTHING].concat()),
    ]);
    place.start(&["bridge", "pc", "port"]);
    let apply = ["apply", "--all", "--live", "--name", &region, "--size", "1M"];
    let rows = place.rows(0, &apply);
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"; 4], vec!["insert"; 4]));
    for (domain, bus) in [("pc", "00:1f.0"), ("bridge", "02:"), ("port", "01:00.0")] {
        let address = place.running(domain, &region);
        assert!(address.starts_with(bus), "{domain}: {address}");
        assert_eq!(
            (&*address, &*address),
            (&*place.configured(domain, &region), rows.of(domain)["address"].as_str().unwrap_or("-"))
        );
    }
    assert_ne!(place.configured("off", &region), "none");
    let again = place.rows(0, &apply);
    assert_eq!((again.texts("state"), again.texts("action")), (vec!["ok"; 4], vec!["none"; 4]));
}

#[test]
fn case_40_a_running_domain_without_live() {
    let Some(place) = Place::new("case_40_a_running_domain_without_live") else { return };
    let region = place.region();
    place.define(&[domain("pc", "pc", "")]);
    place.start(&["pc"]);
    let options = ["--name", &region, "--size", "1M"];
    let apply = [&["apply", "pc"][..], &options].concat();
    let status = [&["status", "pc"][..], &options].concat();
    let rows = place.rows(6, &apply);
    assert_eq!((rows.texts("state"), rows.texts("waiting")), (vec!["pending"], vec!["cold-start"]));
    assert_eq!(
        (place.configured("pc", &region).as_str(), place.running("pc", &region).as_str()),
        ("00:1f.0", "none")
    );
    assert!(place.exits(6, &status).stdout.contains("reboot is not enough"));
    // Not by a reboot,
    place.libvirt.virsh(&["reset", "pc"], "").expect("it runs");
    place.exits(6, &status);
    // and after all without a shutdown,
    let rows = place.rows(0, &[&apply[..], &["--live"]].concat());
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"], vec!["insert"]));
    assert_eq!(place.running("pc", &region), "00:1f.0");
    // and with one.
    place.destroy("pc");
    place.start(&["pc"]);
    assert_eq!(place.running("pc", &region), "00:1f.0");
    place.exits(0, &status);
}

#[test]
fn case_41_and_case_51_no_place_to_plug_it_in() {
    let Some(place) = Place::new("case_41_and_case_51_no_place_to_plug_it_in") else { return };
    let region = place.region();
    let without_acpi = domain("pc", "pc", "").replace("    <acpi/>\n", "    <pae/>\n");
    place.define(&[without_acpi, domain("q35", "q35", NOTHING)]);
    place.start(&["pc", "q35"]);
    let before = place.files();
    let options = ["--all", "--name", &region, "--size", "1M"];
    let live = [&["apply", "--live"][..], &options].concat();
    for arguments in [[&live[..], &["--dry-run"]].concat(), live.clone()] {
        let rows = place.rows(3, &arguments);
        assert_eq!(rows.texts("state"), ["refused"; 2]);
        assert_eq!(rows.of("pc")["error"]["code"], "no-acpi");
        assert_eq!(rows.of("q35")["error"]["code"], "no-hot-plug");
    }
    let told = place.exits(3, &live).stdout;
    assert!(told.contains("without --live"), "{told}");
    assert!(place.files() == before && place.backups().is_empty(), "all or nothing");
    // It is no invention: libvirt can do neither.
    let element = place.run(&["xml", "--name", &region, "--size", "1M"], "").stdout;
    for domain in ["pc", "q35"] {
        assert_ne!(place.virsh(&["attach-device", domain, "/dev/stdin", "--live"], &element).code, 0);
    }
    let rows = place.rows(6, &[&["apply"][..], &options].concat());
    assert_eq!(rows.texts("state"), ["pending"; 2]);
}

#[test]
fn case_42_a_transient_domain() {
    let Some(place) = Place::new("case_42_a_transient_domain") else { return };
    let region = place.region();
    place.libvirt.virsh(&["create", "/dev/stdin"], &domain("pc", "pc", "")).expect("it starts");
    let options = ["--name", &region, "--size", "1M"];
    let rows = place.rows(3, &[&["apply", "--all"][..], &options].concat());
    assert_eq!(rows.of("pc")["error"]["code"], "transient");
    let told = place.exits(3, &[&["apply", "--all"][..], &options].concat()).stdout;
    assert!(told.contains("--live"), "{told}");
    let rows = place.rows(0, &[&["apply", "--all", "--live"][..], &options].concat());
    assert_eq!((rows.texts("state"), rows.texts("action")), (vec!["ok"], vec!["insert"]));
    assert_eq!(place.running("pc", &region), "00:1f.0");
    place.exits(0, &[&["status"][..], &options].concat());
}
