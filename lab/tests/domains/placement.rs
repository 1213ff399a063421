//! Where `patch` says that the device comes to sit, libvirt puts it, and QEMU shows it; what `patch` refuses, libvirt refuses.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{Place, domain};

/// How long a firmware may take to number the buses; it takes a second.
const LIMIT: Duration = Duration::from_secs(60);

/// A network device, at an address given as `bus='..' slot='..' function='..'`.
fn device_at(address: &str) -> String {
    format!("    <interface type='user'><address type='pci' {address}/></interface>\n")
}

fn controller(index: u8, model: &str) -> String {
    format!("    <controller type='pci' index='{index}' model='{model}'/>\n")
}

/// An ivshmem device of somebody else.
fn other_shmem(slot: &str) -> String {
    format!(
        "    <shmem name='looking-glass'><model type='ivshmem-plain'/><size unit='M'>1</size>\
         <address type='pci' slot='{slot}'/></shmem>\n"
    )
}

/// Devices in all slots that a `pc` leaves to devices, of which `multifunction` says that it has several functions.
fn full(multifunction: u8) -> String {
    (2..32).fold(String::new(), |mut devices, slot| {
        let more = if slot == multifunction { " multifunction='on'" } else { "" };
        let _ = write!(devices, "{}", device_at(&format!("slot='{slot}'{more}")));
        devices
    })
}

/// Two root ports and a bridge, which libvirt puts into the free one of them.
fn ports() -> String {
    [controller(1, "pcie-root-port"), controller(2, "pcie-to-pci-bridge"), controller(3, "pcie-root-port")]
        .concat()
}

/// A domain for a table: without the devices that libvirt would add to it.
fn bare(machine: &str, devices: &str) -> String {
    let nothing = "    <controller type='usb' model='none'/>\n    <memballoon model='none'/>\n";
    domain("a", machine, &[devices, nothing].concat())
}

/// What is foretold, as a regular case: an address, or a bus on which libvirt chooses a slot.
enum Foretold {
    At(&'static str),
    ChosenOn(&'static str),
}
use Foretold::{At, ChosenOn};

/// Domains, the choice of a slot, and what is foretold. The numbers are those of the cases of the unit tests.
fn table() -> Vec<(&'static str, String, &'static str, Foretold)> {
    const USUAL: &str = "prefer:0x1f";
    let ports = ports();
    let with_bridge = |devices: &str| [&controller(1, "pci-bridge"), devices].concat();
    let without_machine = |devices: &str| bare("pc", devices).replace(" machine='pc'", "");
    vec![
        ("case 23", bare("pc", &device_at("slot='0x10'")), USUAL, At("00:1f.0")),
        ("case 23, auto", bare("pc", ""), "auto", ChosenOn("00:")),
        ("case 23, by version", bare("pc-i440fx-7.2", ""), USUAL, At("00:1f.0")),
        ("case 24", bare("pc", &device_at("slot='0x1f'")), USUAL, ChosenOn("00:")),
        ("case 24, exact", bare("pc", &device_at("slot='0x1f'")), "exact:00:1e.0", At("00:1e.0")),
        ("case 25, a device of several functions", bare("pc", &full(9)), USUAL, At("00:09.1")),
        ("case 25", bare("pc", &full(0)), USUAL, At("00:02.1")),
        (
            "case 25, a bridge",
            bare("pc", &with_bridge(&full(0).replacen(&device_at("slot='2'"), "", 1))),
            "auto",
            ChosenOn("01:"),
        ),
        ("case 26", bare("pc", &device_at("slot='0x1f' function='1'")), USUAL, ChosenOn("00:")),
        (
            "case 26, exact",
            bare("pc", &device_at("slot='0x1f' function='1'")),
            "exact:00:1f.0",
            At("00:1f.0"),
        ),
        ("case 27", bare("q35", ""), USUAL, ChosenOn("02:")),
        ("case 27, by version", bare("pc-q35-7.2", ""), USUAL, ChosenOn("02:")),
        ("case 27, on the root bus", bare("q35", ""), "prefer:0x10", At("00:10.0")),
        ("case 27, exact", bare("q35", ""), "exact:0x10", At("00:10.0")),
        ("case 29", bare("q35", &ports), USUAL, ChosenOn("02:")),
        ("case 29, exact", bare("q35", &ports), "exact:02:1f.0", At("02:1f.0")),
        ("case 29, a root port", bare("q35", &ports), "exact:01:00.0", At("01:00.0")),
        ("case 31", without_machine(""), USUAL, ChosenOn("00:")),
        ("case 31, pci-root", without_machine(&controller(0, "pci-root")), USUAL, At("00:1f.0")),
        ("case 37", bare("pc", &device_at("bus='0' slot='0X1F'")), USUAL, ChosenOn("00:")),
        ("case 37, decimal", bare("pc", &device_at("slot='31'")), USUAL, ChosenOn("00:")),
        (
            "case 38",
            bare("pc", &device_at("domain='0' bus='0x00' slot='0' function='0x0'")),
            USUAL,
            At("00:1f.0"),
        ),
        ("case 7", bare("pc", &other_shmem("0x10")), "prefer:0x05", At("00:11.0")),
        ("case 7, 0x1f", bare("pc", &other_shmem("0x10")), USUAL, At("00:1f.0")),
        ("case 7, q35", bare("q35", &other_shmem("0x10")), USUAL, At("00:11.0")),
        (
            "case 7, q35, above is a device of the machine",
            bare("q35", &other_shmem("0x1e")),
            USUAL,
            ChosenOn("02:"),
        ),
    ]
}

#[test]
fn the_device_comes_to_where_patch_says() {
    let Some(place) = Place::new("the_device_comes_to_where_patch_says") else { return };
    for (case, xml, slot, foretold) in table() {
        let checked = place.run(&["patch", "--check", "--json", "--slot", slot, "-"], &xml);
        assert_eq!(checked.code, 1, "{case}: {}", checked.stderr);
        let told: Value = serde_json::from_str(&checked.stdout).expect("it is JSON");
        let patched = place.run(&["patch", "--slot", slot, "-"], &xml);
        assert_eq!(patched.code, 0, "{case}: {}", patched.stderr);
        place.libvirt.define(&patched.stdout).unwrap_or_else(|error| panic!("{case}: {error}"));
        let address = place.configured("a", "fg_i3");
        match foretold {
            At(foretold) => {
                assert_eq!((told[0]["address"].as_str(), &*address), (Some(foretold), foretold), "{case}")
            }
            ChosenOn(bus) => {
                assert_eq!(told[0]["address"], Value::Null, "{case}");
                assert!(address.starts_with(bus), "{case}: {address}");
            }
        }
        place.libvirt.virsh(&["undefine", "a"], "").expect("it is removed");
    }
}

/// Controllers in all slots that a `pc` leaves to devices.
fn full_of_controllers() -> String {
    (2..32).fold(String::new(), |mut devices, slot| {
        let address = format!("<address type='pci' slot='{slot}'/>");
        let _ = writeln!(devices, "<controller type='virtio-serial' index='{slot}'>{address}</controller>");
        devices
    })
}

/// What `patch` refuses: a domain, the choice of a slot, the reason, and the address for libvirt.
fn refused() -> Vec<(&'static str, String, &'static str, &'static str, &'static str)> {
    let ports = ports();
    let switch = [
        controller(1, "pcie-root-port"),
        controller(2, "pcie-switch-upstream-port"),
        controller(3, "pcie-switch-downstream-port"),
    ]
    .concat();
    vec![
        ("case 24", bare("pc", &device_at("slot='0x1f'")), "exact:0x1f", "address-taken", "slot='0x1f'"),
        ("case 25, nothing but controllers", bare("pc", &full_of_controllers()), "auto", "full", ""),
        ("case 28", bare("q35", ""), "exact:0x1f", "machine-slot", "slot='0x1f'"),
        ("case 28, SATA", bare("q35", ""), "exact:00:1f.2", "machine-slot", "slot='0x1f' function='2'"),
        ("case 28, by version", bare("pc-q35-7.2", ""), "exact:0x1f", "machine-slot", "slot='0x1f'"),
        (
            "case 29, a port has one slot",
            bare("q35", &ports),
            "exact:01:1f.0",
            "only-slot-zero",
            "bus='1' slot='0x1f'",
        ),
        (
            "case 29, a bridge has no slot 0",
            bare("q35", &ports),
            "exact:02:00.0",
            "no-slot-zero",
            "bus='2' slot='0'",
        ),
        ("for bridges only", bare("q35", &switch), "exact:02:00.0", "bridges-only", "bus='2' slot='0'"),
        ("the ISA bridge", bare("pc", ""), "exact:00:01.0", "machine-slot", "slot='1'"),
    ]
}

/// The device as somebody would write it by hand.
fn by_hand(xml: &str, address: &str) -> String {
    let device = format!(
        "    <shmem name='fg_i3'><model type='ivshmem-plain'/><size unit='M'>8</size><address type='pci' {address}/></shmem>\n"
    );
    xml.replace("  </devices>", &(device + "  </devices>"))
}

#[test]
fn what_patch_refuses_libvirt_refuses() {
    let Some(place) = Place::new("what_patch_refuses_libvirt_refuses") else { return };
    for (case, xml, slot, reason, address) in refused() {
        let checked = place.run(&["patch", "--check", "--json", "--slot", slot, "-"], &xml);
        assert_eq!(checked.code, 3, "{case}: {}", checked.stdout);
        let told: Value = serde_json::from_str(&checked.stdout).expect("it is JSON");
        assert_eq!(told[0]["error"]["code"], reason, "{case}");
        let defined = place.libvirt.define(&by_hand(&xml, address));
        let error = defined.expect_err(case).to_string().to_lowercase();
        assert!(error.contains("pci address") || error.contains("pci controller"), "{case}: {error}");
    }
}

/// The bridge that the device sits behind, by libvirt's alias, with its slot and function there.
fn seen(devices: &Value, bridge: &str) -> Option<(String, u64, u64)> {
    devices.as_array()?.iter().find_map(|device| {
        if device["id"]["vendor"] == 0x1af4 && device["id"]["device"] == 0x1110 {
            return Some((bridge.to_owned(), device["slot"].as_u64()?, device["function"].as_u64()?));
        }
        seen(&device["pci_bridge"]["devices"], device["qdev_id"].as_str()?)
    })
}

#[test]
fn a_running_domain_has_the_device_there() {
    let Some(place) = Place::new("a_running_domain_has_the_device_there") else { return };
    let region = place.libvirt.region("1M".parse().expect("a size")).expect("there is a keeper");
    for (name, xml, slot, bridge, at) in [
        ("a", bare("pc", ""), "prefer:0x1f", "", (0x1f, 0)),
        ("b", bare("pc", &full(9)), "prefer:0x1f", "", (9, 1)),
        ("c", bare("q35", ""), "prefer:0x1f", "pci.2", (1, 0)),
        ("d", bare("q35", ""), "prefer:0x10", "", (0x10, 0)),
        ("e", bare("q35", &controller(1, "pcie-root-port")), "exact:01:00.0", "pci.1", (0, 0)),
    ] {
        let xml = xml.replace("<name>a<", &format!("<name>{name}<"));
        let patched =
            place.run(&["patch", "--name", region.name(), "--size", "1M", "--slot", slot, "-"], &xml);
        place.libvirt.define(&patched.stdout).expect("it is defined");
        place.libvirt.virsh(&["start", name], "").expect("it starts");
        let deadline = Instant::now() + LIMIT;
        let (found, slot, function) = loop {
            let asked =
                place.libvirt.virsh(&["qemu-monitor-command", name, r#"{"execute":"query-pci"}"#], "");
            let answer: Value = serde_json::from_str(&asked.expect("it runs")).expect("it is JSON");
            let buses = answer["return"].as_array().expect("there are buses");
            if let Some(seen) = buses.iter().find_map(|bus| seen(&bus["devices"], "")) {
                break seen;
            }
            assert!(Instant::now() < deadline, "{name} does not see it: {answer}");
            thread::sleep(Duration::from_millis(50));
        };
        assert_eq!((found.as_str(), slot, function), (bridge, at.0, at.1), "{name}");
    }
}
