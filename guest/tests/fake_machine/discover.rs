//! Which device is picked.

use ivring_guest::discover::{DiscoverError, discover};
use ivring_guest::pci::Address;
use ivring_proto::layout::MAGIC;

use crate::files::{FakeMachine, MIB};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[test]
fn the_only_device_is_taken_whatever_it_holds() {
    let machine = FakeMachine::new();
    machine.plug("0000:00:01.0", "0x1af4", "0x1041");
    machine.plug_ivshmem("0000:00:1f.0", MIB, b"not yet a region");
    let found = discover(machine.root(), None).unwrap();
    assert_eq!(found.device().address(), address("00:1f.0"));
    assert_eq!(found.size(), MIB);
}

#[test]
fn of_several_the_one_with_a_region_is_taken() {
    let machine = FakeMachine::new();
    machine.plug_ivshmem("0000:00:02.0", MIB, b"LGMP~~~~");
    machine.plug_ivshmem("0000:00:03.0", 2 * MIB, &MAGIC.to_le_bytes());
    machine.plug_ivshmem("0000:00:04.0", MIB, b"");
    // It can't be mapped, which does not matter.
    machine.plug_ivshmem("0000:00:05.0", MIB, b"").config(0xffff);
    let found = discover(machine.root(), None).unwrap();
    assert_eq!(found.device().address(), address("00:03.0"));
    assert_eq!(found.size(), 2 * MIB);
}

#[test]
fn several_regions_are_ambiguous_until_one_is_chosen() {
    let machine = FakeMachine::new();
    machine.plug_ivshmem("0000:00:02.0", MIB, &MAGIC.to_le_bytes());
    machine.plug_ivshmem("0000:00:03.0", MIB, &MAGIC.to_le_bytes());
    let error = discover(machine.root(), None).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(matches!(&error, DiscoverError::Ambiguous { candidates } if candidates.len() == 2), "{error:?}");
    assert!(error.to_string().contains("0000:00:02.0, 0000:00:03.0"), "{error}");

    let found = discover(machine.root(), Some(address("00:03.0"))).unwrap();
    assert_eq!(found.device().address(), address("00:03.0"));
}

#[test]
fn several_without_a_region_wait_for_the_host() {
    let machine = FakeMachine::new();
    machine.plug_ivshmem("0000:00:02.0", MIB, b"");
    let broken = machine.plug_ivshmem("0000:00:03.0", MIB, b"");
    let error = discover(machine.root(), None).unwrap_err();
    assert!(matches!(&error, DiscoverError::NoRegion { candidates } if candidates.len() == 2), "{error:?}");

    // The region might be behind the one that can't be mapped, so that is the reason to tell.
    broken.config(0xffff);
    let error = discover(machine.root(), None).unwrap_err();
    assert!(matches!(error, DiscoverError::Bar(_)), "{error:?}");
}

#[test]
fn no_device_is_told_with_the_remedy() {
    let machine = FakeMachine::new();
    machine.plug("0000:00:01.0", "0x1af4", "0x1041");
    let error = discover(machine.root(), None).unwrap_err();
    assert!(matches!(error, DiscoverError::NoDevice { devices: 1 }), "{error:?}");
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("ivring-vm-config"), "{error}");
}

#[test]
fn a_wrong_address_is_told_with_the_candidates() {
    let machine = FakeMachine::new();
    machine.plug("0000:00:01.0", "0x1af4", "0x1041");
    machine.plug_ivshmem("0000:00:1f.0", MIB, b"");

    let error = discover(machine.root(), Some(address("00:01.0"))).unwrap_err();
    assert!(matches!(error, DiscoverError::NotIvshmem { ids: (0x1af4, 0x1041), .. }), "{error:?}");
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("0000:00:01.0 is 1af4:1041"), "{error}");
    assert!(error.to_string().ends_with("0000:00:1f.0"), "{error}");

    let error = discover(machine.root(), Some(address("00:02.0"))).unwrap_err();
    assert!(matches!(error, DiscoverError::NotThere { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 3);
}
