//! The device, with no agent that runs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::agent::{Place, uuid};
use crate::checks::Checks;
use crate::files::{FakeDevice, FakeMachine, MEMORY_64, MIB};
use crate::host::format;

const REST: [&str; 3] = ["superblock", "versions", "host-heartbeat"];

/// A machine that knows who it is.
fn machine() -> FakeMachine {
    let machine = FakeMachine::new();
    machine.write("proc/sys/kernel/random/boot_id", "36b05040-ff12-4dcc-b108-967183781a75\n");
    machine.write("sys/class/dmi/id/product_uuid", &uuid(7));
    machine
}

/// With the device, whose memory is a formatted region.
fn with_device() -> (FakeMachine, FakeDevice) {
    let machine = machine();
    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, b"");
    format(&device.path("resource2"), 2);
    (machine, device)
}

fn doctor(machine: &FakeMachine, more: &[&str]) -> Checks {
    let place = Place::new();
    let mut command = place.command(&["doctor"]);
    Checks::of(command.args(more).arg("--root").arg(machine.root()))
}

#[test]
fn a_machine_without_the_device_is_told_to_ask_the_host() {
    let machine = machine();
    machine.plug("0000:00:02.0", "0x1234", "0x1111");
    let checks = doctor(&machine, &[]);
    let next = format!("on the host: ivring doctor {}", uuid(7));
    checks
        .assert("device", "failed", "none of the 1 PCI devices is ivshmem (1af4:1110)", &next)
        .assert_first("device");
    checks.assert("hot-plug", "pending", "sys/bus/pci/slots is empty", "power the VM off");
    checks
        .assert_because(&["driver", "bar", "permission", "decoding"], "device")
        .assert_because(&REST, "device");

    machine.write("sys/bus/pci/slots/3/address", "0000:00:03\n");
    doctor(&machine, &[]).assert("hot-plug", "ok", "1 slots whose devices come and go", "");
    let checks = doctor(&machine, &["--pci", "00:02.0"]);
    checks.assert("device", "failed", "PCI device 0000:00:02.0 is 1234:1111", "leave --pci out");
    fs::remove_dir_all(machine.root().join("sys/bus")).unwrap();
    doctor(&machine, &[]).assert("device", "failed", "can't list", "mount -t sysfs");
}

#[test]
fn a_device_that_is_there_is_told_step_by_step() {
    let (machine, device) = with_device();
    let checks = doctor(&machine, &[]);
    checks
        .assert("device", "ok", "0000:00:1f.0 is ivshmem (1af4:1110), revision 1", "")
        .assert("hot-plug", "ok", "is there already", "")
        .assert("driver", "ok", "no driver holds", "")
        .assert("bar", "ok", "BAR 2 has 1 MiB at 0xfe000000", "")
        .assert("permission", "ok", "resource2 can be mapped", "")
        .assert("decoding", "ok", "command 0x0003", "")
        .assert("superblock", "ok", "2 channels in 1 MiB, for any VM", "")
        .assert("identity", "ok", "by its SMBIOS", "");
    // Nobody has ever served it.
    checks
        .assert("host-heartbeat", "failed", "the host has left", "systemctl start ivringd")
        .assert_first("host-heartbeat");

    device.bind("vfio-pci");
    let unbind = "echo 0000:00:1f.0 > /sys/bus/pci/drivers/vfio-pci/unbind";
    doctor(&machine, &[]).assert("driver", "pending", "driver vfio-pci is bound", unbind);
}

#[test]
fn a_doctor_changes_nothing() {
    let (machine, device) = with_device();
    device.config(0x0501);
    let before = fs::read(device.path("resource2")).unwrap();
    let checks = doctor(&machine, &[]);
    checks.assert(
        "decoding",
        "pending",
        "does not answer accesses to its memory yet (command 0x0501)",
        "ivring-agent run",
    );
    checks.assert_because(&REST, "decoding");
    assert_eq!((device.command(), fs::read(device.path("enable")).unwrap()), (0x0501, b"0\n".to_vec()));
    assert!(fs::read(device.path("resource2")).unwrap() == before, "it has written to the region");
}

#[test]
fn memory_that_cannot_be_had_is_told_with_its_reason() {
    let (machine, device) = with_device();
    device.bar2(0xfe00_0000, 3 * MIB, MEMORY_64);
    let checks = doctor(&machine, &[]);
    checks
        .assert("bar", "failed", "BAR 2 has 3145728 bytes", "on the host: ivring-vm-config status")
        .assert_first("bar");
    checks.assert_because(&["permission", "decoding"], "bar");

    device.bar2(0xfe00_0000, 2 * MIB, MEMORY_64);
    let checks = doctor(&machine, &[]);
    checks
        .assert("permission", "failed", "no room for it on the bus", "power the VM off and on")
        .assert_first("permission");

    device.bar2(0xfe00_0000, MIB, MEMORY_64);
    device.config(0xffff);
    let checks = doctor(&machine, &[]);
    checks
        .assert("decoding", "failed", "reads as all ones", "attach the device again")
        .assert_first("decoding");
}

#[test]
fn who_is_not_root_is_told_what_cannot_be_seen() {
    let (machine, device) = with_device();
    let place = Place::new();
    let mut command = place.command(&["doctor"]);
    if nix::unistd::geteuid().is_root() {
        // As user "nobody", by a copy of the program where that may run it; `cp` for no other thread to have it open.
        let program = place.path().join("program");
        assert!(
            Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_ivring-agent"))
                .arg(&program)
                .status()
                .unwrap()
                .success()
        );
        for folder in [place.path(), machine.root()] {
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        command = Command::new(program);
        command.arg("doctor").arg("--socket").arg(place.socket()).uid(65534).gid(65534);
    }
    for file in ["resource2", "config"] {
        fs::set_permissions(device.path(file), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    }
    let checks = Checks::of(command.arg("--root").arg(machine.root()));
    checks.assert("permission", "unknown", "it is for root, and this is user", "sudo ivring-agent doctor");
    checks.assert_because(&["decoding"], "permission").assert_because(&REST, "permission");
}

#[test]
fn of_several_devices_the_one_with_a_region_is_looked_at() {
    let (machine, _device) = with_device();
    let other = machine.plug_ivshmem("0000:00:10.0", MIB, b"");
    doctor(&machine, &[]).assert("device", "ok", "0000:00:1f.0", "");
    format(&other.path("resource2"), 2);
    let checks = doctor(&machine, &[]);
    checks
        .assert("device", "failed", "all hold an ivring region", "ivring-agent doctor --pci")
        .assert_first("device");
    doctor(&machine, &["--pci", "00:10.0"]).assert("device", "ok", "0000:00:10.0", "");
    for device in ["0000:00:10.0", "0000:00:1f.0"] {
        fs::write(
            machine.root().join("sys/bus/pci/devices").join(device).join("resource2"),
            vec![0; 1 << 20],
        )
        .unwrap();
    }
    doctor(&machine, &[]).assert(
        "device",
        "failed",
        "holds an ivring region yet",
        "ivring-agent doctor --pci",
    );
}
