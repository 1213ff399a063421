//! Mapping BAR 2, and each reason why that fails.

use std::fs;
use std::os::unix::fs::symlink;

use ivring_guest::bar::{Bar, BarError};
use ivring_guest::pci::scan;
use ivring_proto::memory::{Memory, MemoryType, MixedMapping};

use crate::files::{FakeDevice, FakeMachine, MEMORY_64, MIB};

fn map_first(machine: &FakeMachine) -> Result<MixedMapping, BarError> {
    Bar::open(machine.root(), &scan(machine.root()).unwrap()[0])?.map(MemoryType::WriteBack)
}

fn machine() -> (FakeMachine, FakeDevice) {
    let machine = FakeMachine::new();
    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, b"12345678");
    (machine, device)
}

#[test]
fn maps_the_memory_and_changes_nothing() {
    let (machine, device) = machine();
    let memory = map_first(&machine).unwrap();
    assert_eq!(memory.size(), MIB);
    assert_eq!(memory.load(0), u64::from_le_bytes(*b"12345678"));
    assert_eq!(memory.load(MIB - 8), 0);
    memory.store(MIB - 8, u64::from_le_bytes(*b"abcdefgh"));
    assert_eq!(&fs::read(device.path("resource2")).unwrap()[1_048_568..], b"abcdefgh");
    assert_eq!(device.command(), 0x0003);
    assert_eq!(fs::read(device.path("enable")).unwrap(), b"0\n");
}

#[test]
fn switches_memory_decoding_on() {
    let (machine, device) = machine();
    device.config(0x0501);
    map_first(&machine).unwrap();
    assert_eq!(device.command(), 0x0503, "only bit 1 is set, the others stay");
    assert_eq!(fs::read(device.path("enable")).unwrap()[0], b'1', "the kernel's own way comes first");
}

#[test]
fn switches_memory_decoding_on_without_the_right_to_enable_the_device() {
    let (machine, device) = machine();
    device.config(0x0501);
    device.remove("enable");
    // Every write fails, for root too.
    symlink("/dev/full", device.path("enable")).unwrap();
    map_first(&machine).unwrap();
    assert_eq!(device.command(), 0x0503);

    device.remove("config");
    symlink("/dev/zero", device.path("config")).unwrap();
    let error = map_first(&machine).unwrap_err().to_string();
    assert!(error.contains("/enable: No space left"), "the first failure is told: {error}");
}

#[test]
fn says_when_decoding_stays_off() {
    let (machine, device) = machine();
    device.remove("config");
    // It reads as zeros and takes every write without a trace.
    symlink("/dev/zero", device.path("config")).unwrap();
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::DecodeOff { command: 0, .. }), "{error:?}");
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("config has 0x0000"), "{error}");
    assert!(error.to_string().contains("setpci -s 0000:00:1f.0 COMMAND=2:2"), "{error}");
}

#[test]
fn a_device_that_went_away_is_told() {
    let (machine, device) = machine();
    device.config(0xffff);
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::Gone { .. }), "{error:?}");
}

#[test]
fn a_configuration_space_cut_short_is_an_error() {
    let (machine, device) = machine();
    device.write("config", "\u{1}");
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::Io { .. }), "{error:?}");
}

#[test]
fn other_bars_are_refused_with_their_size() {
    let (machine, device) = machine();
    for (size, flags, told) in [
        (3 * MIB, MEMORY_64, 3 * MIB),
        (2048, MEMORY_64, 2048),
        (MIB, 0x101, 0), // I/O ports
    ] {
        device.bar2(0xfe00_0000, size, flags);
        let error = map_first(&machine).unwrap_err();
        assert!(matches!(error, BarError::NoBar { size, .. } if size == told), "{error:?}");
        assert_eq!(error.exit_code(), 3);
    }
}

#[test]
fn a_bar_without_room_on_the_bus_is_refused() {
    let (machine, device) = machine();
    device.bar2(0, 0, 0);
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::GivenUp { .. }) && error.lacks_room().is_some(), "{error:?}");
    device.bar2(0, MIB, MEMORY_64 | 0x2000_0000);
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::NoRoom { offered: 0, .. }), "{error:?}");

    // A file shorter than the BAR would end the process at the first access beyond its end.
    device.bar2(0xfe00_0000, 2 * MIB, MEMORY_64);
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::NoRoom { offered: MIB, .. }), "{error:?}");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn a_missing_file_is_named() {
    let (machine, device) = machine();
    device.remove("resource2");
    let error = map_first(&machine).unwrap_err();
    assert!(matches!(error, BarError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("0000:00:1f.0/resource2: No such file"), "{error}");
}
