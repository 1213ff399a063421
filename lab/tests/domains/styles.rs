//! What `qemu-args` prints, taken back out of the file that it is for: QEMU starts with it, beside the devices that are
//! always there, and has the device where it should be.

use std::path::Path;

use serde_json::Value;

use crate::machine::{Place, domain};

/// What QEMU shows of the device: its slot on bus 0, and the memory behind it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    slot: u64,
    size: u64,
    shared: bool,
}

/// 1 MiB, which is really shared.
fn at(slot: u64) -> Seen {
    Seen { slot, size: 1 << 20, shared: true }
}

/// The answers of a monitor to what it was asked, of which the greeting and events are none.
fn answers(said: &str) -> Vec<Value> {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|mut line| Some(line.get_mut("return")?.take())).collect()
}

/// The device on bus 0, and the only memory that QEMU has beside the guest's own.
fn seen(pci: &Value, memory: &Value) -> Option<Seen> {
    let bus = pci.as_array()?.iter().find(|bus| bus["bus"] == 0)?;
    let mut devices = bus["devices"].as_array()?.iter();
    let device = devices.find(|it| it["id"]["vendor"] == 0x1af4 && it["id"]["device"] == 0x1110)?;
    let region =
        memory.as_array()?.iter().find(|it| it["id"].as_str().is_some_and(|id| id.starts_with("shmem-")))?;
    Some(Seen {
        slot: device["slot"].as_u64()?,
        size: region["size"].as_u64()?,
        shared: region["share"].as_bool()?,
    })
}

/// What `qemu-args` prints for a region of this libvirt's.
fn printed(place: &Place, style: &str, machine: &str) -> String {
    let region = place.region();
    let options = ["--style", style, "--machine", machine, "--name", &region, "--size", "1M"];
    place.exits(0, &[&["qemu-args"], &options[..]].concat()).stdout
}

/// Starts a QEMU with the arguments under test, with devices before and after them, and looks at it before its processor
/// has run.
fn started(place: &Place, machine: &str, under_test: &[String], [before, after]: [&[&str]; 2]) -> Seen {
    let usual = ["-machine", machine, "-accel", "tcg", "-m", "64M", "-nodefaults", "-display", "none", "-S"];
    let monitor = ["-qmp", "stdio"];
    let under_test: Vec<&str> = under_test.iter().map(String::as_str).collect();
    let [before, after] = [before, after]
        .map(|devices| devices.iter().flat_map(|device| ["-device", device]).collect::<Vec<_>>());
    let arguments = [&usual[..], &monitor, &before, &under_test, &after].concat();
    let orders = ["qmp_capabilities", "query-pci", "query-memdev", "quit"];
    let orders: String = orders.iter().map(|order| format!("{{\"execute\":\"{order}\"}}\n")).collect();
    let output =
        place.libvirt.run(Path::new("qemu-system-x86_64"), &arguments, &orders).expect("QEMU is there");
    let said = String::from_utf8_lossy(&output.stdout);
    let answers = answers(&said);
    let seen = answers.get(1..3).and_then(|answers| seen(&answers[0], &answers[1]));
    seen.unwrap_or_else(|| panic!("{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The words that a shell makes of a line, which is also how Proxmox VE takes `args:` apart.
fn words(place: &Place, line: &str) -> Vec<String> {
    let script = format!("printf '%s\\n' {line}");
    let output = place.libvirt.run(Path::new("sh"), &["-c", &script], "").expect("there is a shell");
    String::from_utf8(output.stdout).expect("it is text").lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_gives_qemu_the_arguments() {
    let Some(place) = Place::new("a_shell_gives_qemu_the_arguments") else { return };
    for (machine, slot) in [("pc", 0x1f), ("q35", 0x10)] {
        for style in ["legacy", "json"] {
            // As out of `$(...)`: split at white space, with all quotes kept.
            let arguments: Vec<String> =
                printed(&place, style, machine).split_whitespace().map(str::to_owned).collect();
            assert_eq!(started(&place, machine, &arguments, [&[], &[]]), at(slot), "{style}");
        }
    }
}

/// Devices that a machine of Proxmox VE has at these places: those that it creates before what `args:` says, and those after.
fn of_proxmox(machine: &str) -> [&'static [&'static str]; 2] {
    match machine {
        "pc" => [
            &[],
            &[
                "pci-bridge,id=pci.1,chassis_nr=1,bus=pci.0,addr=0x1e",
                "pci-bridge,id=pci.2,chassis_nr=2,bus=pci.0,addr=0x1f",
                "VGA,bus=pci.0,addr=0x2",
                "virtio-balloon-pci,bus=pci.0,addr=0x3",
                "virtio-scsi-pci,bus=pci.0,addr=0x5",
                "virtio-net-pci,bus=pci.0,addr=0x12",
            ],
        ],
        _ => [
            &[
                "ich9-usb-uhci1,multifunction=on,bus=pcie.0,addr=1d.0",
                "ich9-usb-ehci1,multifunction=on,bus=pcie.0,addr=1a.7",
                "ich9-intel-hda,bus=pcie.0,addr=1b.0",
                "pcie-root-port,multifunction=on,bus=pcie.0,addr=1c.0,port=1,chassis=1",
                "i82801b11-bridge,id=pcidmi,bus=pcie.0,addr=1e.0",
                "pci-bridge,id=pci.0,bus=pcidmi,addr=1.0,chassis_nr=1",
            ],
            &["VGA,bus=pcie.0,addr=0x1", "virtio-net-pci,bus=pci.0,addr=0x12"],
        ],
    }
}

#[test]
fn proxmox_gives_qemu_the_arguments_beside_its_own() {
    let Some(place) = Place::new("proxmox_gives_qemu_the_arguments_beside_its_own") else { return };
    for (machine, slot) in [("pc", 0x1a), ("q35", 0x19)] {
        let text = printed(&place, "proxmox", machine);
        let line = text.strip_prefix("args: ").and_then(|rest| rest.strip_suffix('\n'));
        let line = line.filter(|line| !line.contains('\n')).expect("it is one line of a configuration");
        assert_eq!(started(&place, machine, &words(&place, line), of_proxmox(machine)), at(slot));
    }
}

/// A domain with `element` as the last of it, started; what QEMU shows.
fn started_by_libvirt(place: &Place, machine: &str, element: &str) -> Seen {
    // Devices that libvirt gives their places by itself.
    let devices = "    <interface type='user'><model type='virtio'/></interface>\n    <rng model='virtio'>\
                   <backend model='random'>/dev/urandom</backend></rng>\n";
    let xml = domain("a", machine, devices).replace("</domain>", &format!("{element}</domain>"));
    place.libvirt.define(&xml).expect("it is defined");
    place.start(&["a"]);
    let ask = |order: &str| {
        let asked =
            place.libvirt.virsh(&["qemu-monitor-command", "a", &format!("{{\"execute\":\"{order}\"}}")], "");
        answers(&asked.expect("it runs")).remove(0)
    };
    let found = seen(&ask("query-pci"), &ask("query-memdev")).expect("QEMU has it");
    place.destroy("a");
    place.libvirt.virsh(&["undefine", "a"], "").expect("it is removed");
    found
}

#[test]
fn libvirt_gives_qemu_the_arguments() {
    let Some(place) = Place::new("libvirt_gives_qemu_the_arguments") else { return };
    for (machine, slot) in [("pc", 0x1f), ("q35", 0x10)] {
        let element = printed(&place, "libvirt-commandline", machine);
        assert_eq!(started_by_libvirt(&place, machine, &element), at(slot));

        // The provider of Vagrant makes the same element of each value, in their order.
        let vagrant = printed(&place, "vagrant", machine);
        let values = vagrant.lines().map(|line| {
            let value =
                line.strip_prefix("libvirt.qemuargs :value => '").and_then(|rest| rest.strip_suffix('\''));
            let value = value.expect("it is a statement of a Vagrantfile");
            assert!(!value.contains(['\'', '\\']), "Ruby reads it otherwise: {value}");
            format!("<qemu:arg value='{value}'/>")
        });
        let values: String = values.collect();
        let namespace = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'";
        let element = format!("<qemu:commandline {namespace}>{values}</qemu:commandline>\n");
        assert_eq!(started_by_libvirt(&place, machine, &element), at(slot));
    }
}
