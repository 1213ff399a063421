//! What the list of devices says.

use std::fs;

use ivring_guest::pci::scan;

use crate::files::{FakeMachine, MIB};

#[test]
fn lists_all_devices_by_address() {
    let machine = FakeMachine::new();
    machine.plug_ivshmem("0000:00:1f.0", 8 * MIB, b"").bind("vfio-pci");
    machine.plug("0000:00:01.0", "0x1af4", "0x1041").write("enable", "1\n");

    let devices = scan(machine.root()).unwrap();

    let addresses: Vec<String> = devices.iter().map(|device| device.address().to_string()).collect();
    assert_eq!(addresses, ["0000:00:01.0", "0000:00:1f.0"]);
    let [network, ivshmem] = &devices[..] else { panic!("{devices:?}") };
    assert!(!network.is_ivshmem() && network.is_enabled());
    assert_eq!((network.driver(), network.bars()[2].size()), (None, 0));
    assert!(ivshmem.is_ivshmem() && !ivshmem.is_enabled());
    assert_eq!(ivshmem.ids(), (0x1af4, 0x1110));
    assert_eq!(ivshmem.subsystem_ids(), (0x1af4, 0x1100));
    assert_eq!((ivshmem.revision(), ivshmem.class()), (1, 0x05_0000));
    assert_eq!(ivshmem.driver(), Some("vfio-pci"));
    assert_eq!((ivshmem.bars()[0].size(), ivshmem.bars()[2].size()), (256, 8 * MIB));
}

#[test]
fn names_come_from_the_id_list() {
    let machine = FakeMachine::new();
    machine.plug_ivshmem("0000:00:1f.0", 8 * MIB, b"");
    machine.plug("0000:00:02.0", "0xfff1", "0xfff2").write("class", "0xfe0000\n");

    let devices = scan(machine.root()).unwrap();

    assert_eq!(devices[0].vendor_name(), None);
    assert_eq!(devices[0].device_name(), None);
    assert_eq!(devices[0].class_name(), None);
    assert_eq!(devices[1].vendor_name(), Some("Red Hat, Inc."));
    assert!(devices[1].device_name().unwrap().contains("Inter-VM shared memory"));
    assert_eq!(devices[1].class_name(), Some("RAM memory"));
}

#[test]
fn a_device_of_which_only_the_ids_are_readable_is_listed() {
    let machine = FakeMachine::new();
    let device = machine.plug_ivshmem("0000:00:1f.0", 8 * MIB, b"");
    for file in ["subsystem_vendor", "subsystem_device", "revision", "class", "enable", "resource", "config"]
    {
        device.remove(file);
    }
    let devices = scan(machine.root()).unwrap();
    assert!(devices[0].is_ivshmem());
    assert_eq!(devices[0].bars()[2].size(), 0);
}

#[test]
fn odd_contents_leave_a_device_out_and_never_the_others() {
    let machine = FakeMachine::new();
    machine.plug_ivshmem("0000:00:1f.0", 8 * MIB, b"");
    machine.plug("0000:00:02.0", "", "0x1110");
    machine.plug("0000:00:03.0", "0x1af4", "0x11101110");
    machine.plug("0000:00:04.0", "0x+af4", "0x1110");
    machine.plug("0000:00:05.0", "\u{1b}[31mred", "0x1110");
    machine.plug("0000:00:06.0", "0x1af4", "0x1110").remove("vendor");
    machine.plug("not an address", "0x1af4", "0x1110");
    let endless = machine.plug("0000:00:07.0", "0x1af4", "0x1110");
    endless.remove("vendor");
    std::os::unix::fs::symlink("/dev/zero", endless.path("vendor")).unwrap();
    machine.write("sys/bus/pci/devices/0000:00:08.0", "a file in the place of a directory");

    let devices = scan(machine.root()).unwrap();

    assert_eq!(devices.len(), 1, "{devices:?}");
    assert!(devices[0].is_ivshmem());
}

#[test]
fn a_machine_without_a_bus_is_told() {
    let machine = FakeMachine::new();
    fs::remove_dir(machine.root().join("sys/bus/pci/devices")).unwrap();
    let error = scan(machine.root()).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("sys/bus/pci/devices: No such file or directory"), "{error}");
}
