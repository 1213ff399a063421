//! Where the device goes, and which domains cannot have it.

use ivring_vm_config::Reason;

use crate::fixture::*;

fn controller(index: u8, model: &str) -> String {
    format!("    <controller type='pci' index='{index}' model='{model}'/>\n")
}

fn code(xml: &str, slot: &str) -> &'static str {
    refused(xml, &with_slot(slot)).reason.code()
}

#[test]
fn case_23_pc_with_0x1f_free() {
    assert_eq!(address(&domain("pc", &device_at("slot='0x10'")), &request()), "00:1f.0");
    assert_eq!(address(&domain("pc", ""), &with_slot("auto")), "auto");
}

#[test]
fn case_24_pc_with_0x1f_taken() {
    let xml = domain("pc", &device_at("slot='0x1f'"));
    assert_eq!(address(&xml, &request()), "auto");
    let refused = refused(&xml, &with_slot("exact:0x1f"));
    assert!(refused.to_string().starts_with("00:1f.0 is taken by <interface> at 9:5"), "{refused}");
}

/// Devices in all slots that a `pc` leaves to devices.
fn full(multifunction: u8) -> String {
    (2..32)
        .map(|slot| {
            let more = if slot == multifunction { " multifunction='on'" } else { "" };
            device_at(&format!("slot='{slot}'{more}"))
        })
        .collect()
}

#[test]
fn case_25_pc_with_all_slots_taken() {
    assert_eq!(address(&domain("pc", &full(9)), &request()), "00:09.1");
    assert_eq!(address(&domain("pc", &full(0)), &request()), "00:02.1");
    let with_bridge = domain("pc", &[full(9), controller(1, "pci-bridge")].concat());
    assert_eq!(address(&with_bridge, &request()), "auto");
    let controllers = full(0).replace("interface", "controller");
    assert_eq!(refused(&domain("pc", &controllers), &request()).reason, Reason::Full);
}

#[test]
fn case_26_pc_with_another_function_of_0x1f_taken() {
    let xml = domain("pc", &device_at("slot='0x1f' function='1'"));
    assert_eq!(address(&xml, &request()), "auto");
    assert_eq!(address(&xml, &with_slot("exact:00:1f.0")), "00:1f.0");
}

#[test]
fn case_27_q35() {
    assert_eq!(address(&domain("q35", ""), &request()), "auto");
    assert_eq!(address(&domain("q35", ""), &with_slot("prefer:0x10")), "00:10.0");
}

#[test]
fn case_28_q35_with_exactly_0x1f() {
    for slot in ["exact:0x1f", "exact:00:1f.4"] {
        let refused = refused(&domain("pc-q35-7.2", ""), &with_slot(slot));
        assert_eq!(refused.reason.code(), "machine-slot");
        assert!(refused.to_string().contains("ICH9") && refused.to_string().contains("00:10.0"), "{refused}");
    }
}

#[test]
fn case_29_q35_with_a_bridge() {
    let xml = domain("q35", &[controller(1, "pcie-root-port"), controller(2, "pcie-to-pci-bridge")].concat());
    assert_eq!(address(&xml, &request()), "auto");
    assert_eq!(address(&xml, &with_slot("exact:02:1f.0")), "02:1f.0");
    assert_eq!(address(&xml, &with_slot("exact:01:00.0")), "01:00.0");
    assert_eq!(code(&xml, "exact:01:1f.0"), "only-slot-zero");
    assert_eq!(code(&xml, "exact:02:00.0"), "no-slot-zero");
    assert_eq!(code(&xml, "exact:03:01.0"), "no-such-bus");
    let upstream = domain("q35", &controller(1, "pcie-switch-upstream-port"));
    assert_eq!(code(&upstream, "exact:01:00.0"), "bridges-only");
}

#[test]
fn case_30_machines_by_their_controller_then_by_their_name() {
    for (machine, expected) in [
        ("pc", "00:1f.0"),
        ("pc-i440fx-7.2", "00:1f.0"),
        ("pc-1.0", "00:1f.0"),
        ("pc-i440fx-rhel7.6.0", "00:1f.0"),
        ("q35", "auto"),
        ("pc-q35-rhel9.2.0", "auto"),
        ("something-new", "auto"),
    ] {
        assert_eq!(address(&domain(machine, ""), &request()), expected, "{machine}");
    }
}

#[test]
fn case_31_no_machine() {
    let without = |devices: &str| domain("pc", devices).replace(" machine='pc'", "");
    assert_eq!(address(&without(""), &request()), "auto");
    assert_eq!(address(&without(&controller(0, "pci-root")), &request()), "00:1f.0");
    assert_eq!(address(&without(&controller(0, "pcie-root")), &request()), "auto");
    assert_eq!(code(&without(&controller(0, "pcie-root")), "exact:0x1f"), "machine-slot");
}

fn of(arch: &str, machine: &str) -> String {
    domain(machine, "").replace("x86_64'", &format!("{arch}'"))
}

#[test]
fn case_32_virt_boards() {
    for arch in ["aarch64", "riscv64"] {
        assert_eq!(address(&of(arch, "virt"), &request()), "auto");
    }
    assert_eq!(code(&of("armv7l", "vexpress-a9"), "auto"), "no-pci");
}

#[test]
fn case_33_pseries() {
    assert_eq!(address(&of("ppc64", "pseries"), &request()), "auto");
}

#[test]
fn case_34_s390x() {
    assert_eq!(code(&of("s390x", "s390-ccw-virtio"), "auto"), "architecture");
}

#[test]
fn case_35_machines_without_pci() {
    for machine in ["isapc", "microvm"] {
        let refused = refused(&domain(machine, ""), &request());
        assert_eq!((refused.reason.code(), refused.at.unwrap().to_string().as_str()), ("no-pci", "5:5"));
    }
}

#[test]
fn case_36_addresses_of_the_host_do_not_count() {
    let hostdev = "    <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0' slot='0x1f' \
                   function='0' type='pci'/></source><address type='pci' bus='0' slot='5'/></hostdev>\n";
    assert_eq!(address(&domain("pc", hostdev), &request()), "00:1f.0");
}

#[test]
fn case_37_addresses_in_every_form() {
    for numbers in [
        "domain='0x0000' bus='0x00' slot='0x1f' function='0x0'",
        "slot='31'",
        "bus='0' slot='0X1F'",
        "slot='037' function='7'",
    ] {
        assert_eq!(address(&domain("pc", &device_at(numbers)), &request()), "auto", "{numbers}");
    }
}

#[test]
fn case_38_addresses_that_are_none() {
    for numbers in ["", "domain='0' bus='0x00' slot='0' function='0x0'"] {
        assert_eq!(address(&domain("pc", &device_at(numbers)), &request()), "00:1f.0");
    }
    let drive = "    <disk><address type='drive' bus='0' slot='0x1f'/></disk>\n";
    assert_eq!(address(&domain("pc", drive), &request()), "00:1f.0");
}

#[test]
fn case_39_other_pci_domains() {
    let xml = domain("pc", &device_at("domain='1' slot='0x1f'"));
    assert_eq!(address(&xml, &request()), "00:1f.0");
    assert!("exact:0001:00:1f.0".parse::<ivring_vm_config::Slot>().is_err());
}

#[test]
fn slots_of_the_machine_are_not_given_away() {
    assert_eq!(code(&domain("pc", ""), "exact:00:01.0"), "machine-slot");
    assert_eq!(code(&domain("pc", ""), "exact:00:00.0"), "machine-slot");
    assert_eq!(code(&of("aarch64", "virt"), "exact:00:00.0"), "machine-slot");
    assert_eq!(address(&domain("pc", ""), &with_slot("prefer:1")), "auto");
}

#[test]
fn an_exact_slot_counts_for_a_device_that_is_there() {
    let at = |address: &str| domain("pc", &shmem("fg_i3", &format!("{PLAIN_8M}{address}")));
    let xml = at("<address type='pci' slot='5'/>");
    unchanged(&xml, &with_slot("exact:00:05.0"));
    assert_eq!(code(&xml, "exact:00:06.0"), "differs");
    assert_eq!(code(&at(""), "exact:00:06.0"), "differs");
}
