//! Who the guest says it is.

use ivring_guest::machine::{IdentifyError, Machine, Source, identify};
use uuid::Uuid;

use crate::files::FakeMachine;

const SMBIOS: &str = "6f1c3b0a-91d2-4e57-8a5e-0c2d4b6f8e10";
const MACHINE_ID: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";
const BOOT: &str = "36b05040-ff12-4dcc-b108-967183781a75";
const GIVEN: &str = "b8f0b7a2-6f0f-4a3e-9df2-6a7f1f2b3c4d";

fn machine() -> FakeMachine {
    let machine = FakeMachine::new();
    machine.write("sys/class/dmi/id/product_uuid", &format!("{SMBIOS}\n"));
    machine.write("etc/machine-id", &format!("{MACHINE_ID}\n"));
    machine.write("proc/sys/kernel/random/boot_id", &format!("{BOOT}\n"));
    machine.write("proc/sys/kernel/hostname", "web1\n");
    machine
}

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

#[test]
fn smbios_comes_first() {
    let found = identify(machine().root(), None, None).unwrap();
    let expected =
        Machine { uuid: uuid(SMBIOS), source: Source::Smbios, boot: uuid(BOOT), name: "web1".to_owned() };
    assert_eq!(found, expected);
}

#[test]
fn what_is_given_beats_what_is_found() {
    let found = identify(machine().root(), Some(uuid(GIVEN)), Some("db")).unwrap();
    let expected =
        Machine { uuid: uuid(GIVEN), source: Source::Given, boot: uuid(BOOT), name: "db".to_owned() };
    assert_eq!(found, expected);
}

#[test]
fn a_uuid_that_many_machines_carry_is_passed_over() {
    for useless in [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "Not Settable",
        "",
    ] {
        let machine = machine();
        machine.write("sys/class/dmi/id/product_uuid", useless);
        let found = identify(machine.root(), None, None).unwrap();
        assert_eq!((found.uuid, found.source), (uuid(MACHINE_ID), Source::MachineId), "{useless:?}");
    }
}

#[test]
fn without_any_uuid_each_place_is_named() {
    let machine = machine();
    machine.write("sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000");
    machine.write("etc/machine-id", "uninitialized\n");
    let error = identify(machine.root(), None, None).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    for part in ["product_uuid says 00000000-", "machine-id: 'uninitialized' is no UUID", "--id"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(identify(machine.root(), Some(uuid(GIVEN)), None).unwrap().uuid, uuid(GIVEN));
}

#[test]
fn a_given_placeholder_is_refused() {
    let error = identify(machine().root(), Some(Uuid::nil()), None).unwrap_err();
    assert!(matches!(error, IdentifyError::Placeholder { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 4);
}

#[test]
fn without_a_boot_id_nobody_can_tell_a_reboot() {
    let machine = machine();
    machine.write("proc/sys/kernel/random/boot_id", "soon");
    let error = identify(machine.root(), None, None).unwrap_err();
    assert!(matches!(error, IdentifyError::NoBoot { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 5);
}

#[test]
fn a_machine_that_nobody_named_is_named_by_its_uuid() {
    for host_name in ["(none)\n", "", "\n"] {
        let machine = machine();
        machine.write("proc/sys/kernel/hostname", host_name);
        assert_eq!(identify(machine.root(), None, None).unwrap().name, "guest-6f1c3b0a");
    }
}

#[test]
fn names_fit() {
    let machine = machine();
    machine.write("proc/sys/kernel/hostname", &"ä".repeat(64));
    assert_eq!(identify(machine.root(), None, None).unwrap().name, "ä".repeat(32));
    machine.write("proc/sys/kernel/hostname", &format!("x{}", "ä".repeat(64)));
    assert_eq!(identify(machine.root(), None, None).unwrap().name, format!("x{}", "ä".repeat(31)));

    assert_eq!(identify(machine.root(), None, Some(&"x".repeat(64))).unwrap().name.len(), 64);
    for name in [String::new(), "x".repeat(65)] {
        let error = identify(machine.root(), None, Some(&name)).unwrap_err();
        assert!(matches!(error, IdentifyError::Name { .. }), "{error:?}");
        assert_eq!(error.exit_code(), 4);
    }
}
