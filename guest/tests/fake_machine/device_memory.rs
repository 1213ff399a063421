//! Which mapping is taken for which memory, with memory that is made slow.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use ivring_guest::MemoryChoice::{self, Auto, Uncached, WriteBack, WriteCombining};
use ivring_guest::bar::{Bar, BarError};
use ivring_guest::device_memory::DeviceMemory;
use ivring_guest::discover::discover;
use ivring_guest::memory_type::Reason;
use ivring_proto::layout::{Geometry, PAGE, Superblock, superblock_word};
use ivring_proto::link::format_region;
use ivring_proto::memory::{MappedFile, Memory, MemoryType, MixedMapping, Probe, SlowMemory};

use crate::files::{FakeDevice, FakeMachine, MIB};

/// Where the rings begin in a region of that many channels.
fn rings(channels: u64) -> u64 {
    Geometry::new(MIB, channels).unwrap().rings()
}

/// A machine with a device, and `resource2_wc` as a file of its own, so that it shows what is written by which.
fn machine() -> (FakeMachine, FakeDevice) {
    let machine = FakeMachine::new();
    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, b"");
    fs::copy(device.path("resource2"), device.path("resource2_wc")).unwrap();
    (machine, device)
}

/// Formats the region in `resource2`.
fn format(device: &FakeDevice, channels: u64) {
    let geometry = Geometry::new(MIB, channels).unwrap();
    format_region(&mapped(device, "resource2"), &Superblock::new(geometry, [0; 16], "test"));
}

fn mapped(device: &FakeDevice, file: &str) -> MappedFile {
    let file = fs::File::options().read(true).write(true).open(device.path(file)).unwrap();
    MappedFile::map(&file, MIB).unwrap()
}

fn bar(machine: &FakeMachine) -> Bar {
    discover(machine.root(), None).unwrap()
}

fn fast(machine: &FakeMachine, choice: MemoryChoice) -> Result<DeviceMemory, BarError> {
    DeviceMemory::map(bar(machine), choice, |mapping: &MixedMapping| Probe::of(mapping))
}

/// As a mapping of which each load takes 300 ns more.
fn slow(machine: &FakeMachine, choice: MemoryChoice) -> Result<DeviceMemory, BarError> {
    DeviceMemory::map(bar(machine), choice, |mapping: &MixedMapping| {
        Probe::of(&SlowMemory::new(mapping, Duration::from_nanos(300)))
    })
}

/// Type and reason of a mapping.
fn told(memory: &DeviceMemory) -> (MemoryType, Reason) {
    let mapped = memory.mapped_as();
    assert_eq!(
        mapped.memory_type,
        if memory.mapping().size() == PAGE {
            MemoryType::WriteCombining
        } else {
            memory.mapping().memory_type()
        }
    );
    (mapped.memory_type, mapped.reason)
}

/// Stores a word in a page before the rings and one in a ring; whether each file has it.
fn shown_by(memory: &DeviceMemory, device: &FakeDevice, files: &[&str]) -> Vec<[bool; 2]> {
    let (control, ring) = (PAGE, MIB - PAGE);
    for at in [control, ring] {
        memory.mapping().store(at, 0x77);
    }
    let shows = |file: &&str| {
        let file = mapped(device, file);
        [control, ring].map(|at| file.load(at) == 0x77)
    };
    files.iter().map(shows).collect()
}

#[test]
fn memory_that_reads_fast_is_write_back_and_mapped_as_a_whole() {
    let (machine, device) = machine();
    format(&device, 1);
    let memory = fast(&machine, Auto).unwrap();
    assert_eq!(told(&memory), (MemoryType::WriteBack, Reason::Measured));
    assert_eq!(shown_by(&memory, &device, &["resource2", "resource2_wc"]), [[true; 2], [false; 2]]);
    assert!(memory.reshaped().unwrap().is_none());
}

#[test]
fn memory_that_reads_slowly_has_rings_that_combine_writes() {
    let (machine, device) = machine();
    format(&device, 1);
    let memory = slow(&machine, Auto).unwrap();
    assert_eq!(told(&memory), (MemoryType::WriteCombining, Reason::Measured));
    assert_eq!(memory.mapping().size(), MIB);
    assert_eq!(shown_by(&memory, &device, &["resource2", "resource2_wc"]), [[true, false], [false, true]]);
    let remedy = memory.mapped_as().remedy().unwrap();
    assert!(memory.mapped_as().is_emulated() || remedy.contains("AMD"), "{remedy}");
    assert!(memory.mapped_as().to_string().starts_with("write-combining"), "{}", memory.mapped_as());
}

#[test]
fn without_a_file_for_it_memory_that_reads_slowly_is_uncached() {
    let (machine, device) = machine();
    device.remove("resource2_wc");
    let memory = slow(&machine, Auto).unwrap();
    assert_eq!(told(&memory), (MemoryType::Uncached, Reason::NothingElse));
    let refused = slow(&machine, WriteCombining).unwrap();
    format(&device, 1);
    let error = refused.reshaped().unwrap_err();
    assert!(error.to_string().contains("resource2_wc"), "{error}");
}

#[test]
fn an_option_decides_whatever_was_measured() {
    let (machine, device) = machine();
    format(&device, 1);
    for (choice, memory_type) in [
        (WriteBack, MemoryType::WriteBack),
        (Uncached, MemoryType::Uncached),
        (WriteCombining, MemoryType::WriteCombining),
    ] {
        for memory in [fast(&machine, choice), slow(&machine, choice)] {
            let memory = memory.unwrap();
            assert_eq!(told(&memory), (memory_type, Reason::Option));
            assert_eq!(memory.mapping().size(), MIB);
        }
    }
}

#[test]
fn a_cached_file_is_taken_before_all_others() {
    let (machine, device) = machine();
    format(&device, 1);
    fs::copy(device.path("resource2"), device.path("resource2_wb")).unwrap();
    for (memory, reason) in
        [(fast(&machine, Auto), Reason::Measured), (slow(&machine, WriteBack), Reason::Option)]
    {
        let memory = memory.unwrap();
        assert_eq!(told(&memory), (MemoryType::WriteBack, reason));
        let shown = shown_by(&memory, &device, &["resource2_wb", "resource2", "resource2_wc"]);
        assert_eq!(shown, [[true; 2], [false; 2], [false; 2]]);
    }
    // A hypervisor can make that uncached too.
    let memory = slow(&machine, Auto).unwrap();
    assert_eq!(told(&memory), (MemoryType::WriteCombining, Reason::Measured));
}

#[test]
fn the_rings_are_mapped_when_it_is_known_where_they_begin_and_again_when_they_move() {
    let (machine, device) = machine();
    let waiting = slow(&machine, Auto).unwrap();
    assert_eq!(waiting.mapping().size(), PAGE, "nobody has formatted it");
    assert!(waiting.reshaped().unwrap().is_none());
    assert_eq!(told(&waiting), (MemoryType::WriteCombining, Reason::Measured));

    format(&device, 1);
    let memory = waiting.reshaped().unwrap().expect("it is formatted");
    assert_eq!(memory.mapping().size(), MIB);
    assert!(memory.reshaped().unwrap().is_none());
    memory.mapping().store(rings(1), 0x55);
    assert_eq!(mapped(&device, "resource2_wc").load(rings(1)), 0x55, "the first ring");
    memory.mapping().store(rings(1) - 8, 0x44);
    assert_eq!(mapped(&device, "resource2").load(rings(1) - 8), 0x44, "the word before it");

    format(&device, 60);
    assert_ne!(rings(1), rings(60));
    let waiting = memory.reshaped().unwrap().expect("they have moved");
    assert_eq!(waiting.mapping().size(), PAGE);
    drop(memory);
    let memory = waiting.reshaped().unwrap().expect("and are known");
    memory.mapping().store(rings(60), 0x66);
    assert_eq!(mapped(&device, "resource2_wc").load(rings(60)), 0x66);
}

/// Any guest can write the superblock.
#[test]
fn a_superblock_that_lies_maps_nothing_more() {
    let (machine, device) = machine();
    for lie in [0, 8, PAGE, MIB, MIB + PAGE, u64::MAX] {
        format(&device, 1);
        let words = fs::File::options().write(true).open(device.path("resource2")).unwrap();
        words.write_all_at(&lie.to_le_bytes(), superblock_word::RINGS).unwrap();
        let memory = slow(&machine, Auto).unwrap();
        assert_eq!(memory.mapping().size(), PAGE, "rings at {lie}");
    }
}
