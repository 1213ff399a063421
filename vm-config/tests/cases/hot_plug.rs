//! Where a running domain takes the device.

use ivring_vm_config::{Domain, PciAddress, Refused, Request, hot_plug};

use crate::fixture::*;

/// A running domain of the machine type `machine`, with ACPI.
fn running(machine: &str, devices: &str) -> String {
    domain(machine, devices)
        .replace("<domain type", "<domain id='3' type")
        .replace("  <devices>", "  <features>\n    <acpi/>\n  </features>\n  <devices>")
}

fn controller(index: u8, model: &str) -> String {
    format!("    <controller type='pci' index='{index}' model='{model}'/>\n")
}

fn controller_at(index: u8, model: &str, bus: u8, slot: u8) -> String {
    format!(
        "    <controller type='pci' index='{index}' model='{model}'>\n      <address type='pci' bus='{bus}' \
         slot='{slot}'/>\n    </controller>\n"
    )
}

fn plug(live: &str, config: Option<&str>, request: &Request) -> Result<PciAddress, Refused> {
    let live = Domain::read(live.as_bytes()).expect("a domain");
    let config = config.map(|config| Domain::read(config.as_bytes()).expect("a domain"));
    hot_plug(&live, config.as_ref(), request)
}

/// Where the device goes, or why it does not.
fn place(live: &str, config: &str, slot: &str) -> String {
    match plug(live, Some(config), &with_slot(slot)) {
        Ok(address) => address.to_string(),
        Err(refused) => refused.reason.code().to_owned(),
    }
}

/// The same for a domain whose next start brings no change.
fn place_in(machine: &str, devices: &str, slot: &str) -> String {
    place(&running(machine, devices), &running(machine, devices), slot)
}

const PREFERRED: &str = "prefer:0x1f";

#[test]
fn a_pc_takes_it_on_bus_0() {
    assert_eq!(place_in("pc", "", PREFERRED), "00:1f.0");
    assert_eq!(place_in("pc", &device_at("slot='0x02'"), "auto"), "00:03.0");
    assert_eq!(place_in("pc", &device_at("slot='0x1f'"), PREFERRED), "00:02.0");
    assert_eq!(place_in("pc", &device_at("slot='0x1f' function='1'"), PREFERRED), "00:02.0");
    assert_eq!(place_in("pc", "", "exact:00:10.0"), "00:10.0");
}

#[test]
fn the_place_is_free_now_and_later() {
    let (empty, taken) = (running("pc", ""), running("pc", &device_at("slot='0x1f'")));
    assert_eq!(place(&taken, &empty, PREFERRED), "00:02.0");
    assert_eq!(place(&empty, &taken, PREFERRED), "00:02.0");
    assert_eq!(place(&empty, &taken, "exact:0x1f"), "address-taken");
    let port = running("q35", &controller(1, "pcie-root-port"));
    assert_eq!(place(&port, &port, "auto"), "01:00.0");
    assert_eq!(place(&port, &running("q35", ""), "auto"), "no-hot-plug");
    assert_eq!(place(&port, &running("q35", ""), "exact:01:00.0"), "no-such-bus");
    let used = running("q35", &[controller(1, "pcie-root-port"), device_at("bus='1'")].concat());
    assert_eq!(place(&port, &used, "auto"), "no-hot-plug");
    // What is not started again has no later.
    assert_eq!(plug(&port, None, &request()).expect("a place").to_string(), "01:00.0");
}

#[test]
fn where_the_configuration_has_it_is_taken_if_that_can_be() {
    let own = |address: &str| shmem("fg_i3", &format!("{PLAIN_8M}<address type='pci' {address}/>"));
    let live = running("pc", &device_at("slot='0x05'"));
    assert_eq!(place(&live, &running("pc", &own("slot='0x09'")), PREFERRED), "00:09.0");
    assert_eq!(place(&live, &running("pc", &own("slot='0x05'")), PREFERRED), "00:1f.0");
    // That the configuration has no room beside its own does not matter: only the running domain gets it.
    let config = running("pc", &[own("slot='0x05'"), device_at("slot='0x1f'")].concat());
    assert_eq!(place(&live, &config, PREFERRED), "00:1f.0");
    let bridge = controller(1, "pcie-to-pci-bridge");
    let config = running("q35", &[&*bridge, &own("slot='0x10'")].concat());
    assert_eq!(place(&running("q35", &bridge), &config, PREFERRED), "01:01.0");
}

#[test]
fn bus_0_of_a_q35_is_fixed() {
    for slot in ["auto", PREFERRED, "prefer:0x10", "exact:00:10.0", "exact:00:1f.0"] {
        assert_eq!(place_in("q35", "", slot), "no-hot-plug", "{slot}");
    }
}

#[test]
fn a_bridge_takes_it_before_a_port_does() {
    for model in ["pcie-to-pci-bridge", "pci-bridge", "dmi-to-pci-bridge"] {
        let devices = [controller(1, "pcie-root-port"), controller(5, model), device_at("bus='5' slot='1'")];
        assert_eq!(place_in("q35", &devices.concat(), PREFERRED), "05:02.0");
        assert_eq!(place_in("q35", &devices.concat(), "exact:01:00.0"), "01:00.0");
        assert_eq!(place_in("q35", &devices.concat(), "exact:05:1f.0"), "05:1f.0");
        assert_eq!(place_in("q35", &devices.concat(), "exact:05:1f.1"), "no-hot-plug");
        assert_eq!(
            place_in("q35", &devices.concat(), "exact:05:00.0").contains("slot-zero"),
            model != "dmi-to-pci-bridge"
        );
    }
    let virt = running("virt", &controller(3, "pcie-to-pci-bridge")).replace("x86_64", "aarch64");
    assert_eq!(place(&virt, &virt, PREFERRED), "03:01.0");
}

#[test]
fn a_port_takes_one_device() {
    let ports =
        |used: &str| [&*controller(1, "pcie-root-port"), &controller(2, "pcie-root-port"), used].concat();
    assert_eq!(place_in("q35", &ports(""), "auto"), "01:00.0");
    assert_eq!(place_in("q35", &ports(&device_at("bus='1'")), "auto"), "02:00.0");
    assert_eq!(place_in("q35", &ports(&device_at("bus='1' function='3'")), "auto"), "02:00.0");
    assert_eq!(place_in("q35", &ports(&device_at("bus='1' slot='3'")), "auto"), "02:00.0");
    assert_eq!(place_in("q35", &ports(&controller_at(3, "pcie-root-port", 1, 0)), "auto"), "02:00.0");
    assert_eq!(place_in("q35", &ports(""), "exact:01:05.0"), "only-slot-zero");
    let host = "<hostdev><source><address type='pci' bus='0x01'/></source></hostdev>\n";
    assert_eq!(place_in("q35", &ports(host), "auto"), "01:00.0");
    for raw in ["edu,bus=pci.1,addr=0", "edu,bus=pci.1"] {
        let raw = format!(
            "</devices><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-device'/><q:arg \
             value='{raw}'/></q:commandline><devices>"
        );
        assert_eq!(place_in("q35", &ports(&raw), "auto"), "02:00.0");
    }
}

#[test]
fn a_controller_may_be_told_to_take_none() {
    let told = |index: u8, model: &str| {
        format!(
            "<controller type='pci' index='{index}' model='{model}'><target hotplug='off'/></controller>\n"
        )
    };
    assert_eq!(place_in("q35", &told(1, "pcie-root-port"), "auto"), "no-hot-plug");
    assert_eq!(place_in("q35", &told(1, "pcie-root-port"), "exact:01:00.0"), "no-hot-plug");
    assert_eq!(place_in("pc", &told(0, "pci-root"), PREFERRED), "no-hot-plug");
    let with_bridge = [told(0, "pci-root"), controller(1, "pci-bridge")].concat();
    assert_eq!(place_in("pc", &with_bridge, PREFERRED), "01:01.0");
}

#[test]
fn it_goes_above_other_ivshmem_devices_if_it_can() {
    let other = |slot: u8| shmem("looking-glass", &format!("<address type='pci' slot='{slot}'/>"));
    assert_eq!(place_in("pc", &other(9), "auto"), "00:0a.0");
    assert_eq!(place_in("pc", &other(9), "prefer:4"), "00:0a.0");
    assert_eq!(place_in("pc", &other(31), "auto"), "00:02.0");
    assert_eq!(place(&running("pc", ""), &running("pc", &other(9)), "auto"), "00:0a.0");
}

#[test]
fn case_41_running_q35_without_a_spare_place() {
    let devices = [controller(1, "pcie-root-port"), device_at("bus='1'")].concat();
    let xml = running("q35", &devices);
    let refused = plug(&xml, Some(&xml), &request()).expect_err("no place");
    assert_eq!(refused.reason.code(), "no-hot-plug");
    assert!(refused.to_string().ends_with("do it without --live, then shut the domain down and start it"));
}

#[test]
fn case_51_running_pc_without_acpi() {
    let xml = domain("pc", "");
    let refused = plug(&xml, Some(&xml), &request()).expect_err("no ACPI");
    assert_eq!(refused.reason.code(), "no-acpi");
    assert!(refused.to_string().contains("without --live"), "{refused}");
    let q35 = domain("q35", &controller(1, "pcie-root-port"));
    assert_eq!(place(&q35, &q35, "auto"), "01:00.0");
}

#[test]
fn a_domain_that_cannot_have_the_device_is_refused() {
    let xml = running("pc", "").replace("type='kvm'", "type='xen'");
    assert_eq!(place(&xml, &xml, "auto"), "domain-type");
}
