//! The command `ivring-agent pci`.

use std::io;
use std::process::{Command, Output, Stdio};

use crate::files::{FakeMachine, MIB};

fn pci(machine: &FakeMachine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-agent"));
    command.arg("pci").arg("--root").arg(machine.root());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn machine() -> FakeMachine {
    let machine = FakeMachine::new();
    machine.plug("0000:00:02.0", "0xfff1", "0xfff2");
    machine.plug_ivshmem("0000:00:1f.0", 8 * MIB, b"");
    machine
}

#[test]
fn marks_ivshmem_devices() {
    let Output { status, stdout, stderr } = pci(&machine()).output().unwrap();
    assert_eq!(status.code(), Some(0), "{}", text(&stderr));
    let lines: Vec<&str> = text(&stdout).lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("  0000:00:02.0  fff1:fff2"), "{lines:?}");
    assert!(lines[1].starts_with("* 0000:00:1f.0  1af4:1110"), "{lines:?}");
    assert!(lines[1].contains("RAM memory: Red Hat, Inc. "), "{lines:?}");
    assert!(lines[1].ends_with(" (8 MiB)"), "{lines:?}");
    assert!(!text(&stdout).contains('\u{1b}'), "colour off a terminal");
}

#[test]
fn prints_json() {
    let output = pci(&machine()).arg("--json").output().unwrap();
    let devices: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(devices[0]["ivshmem"], false);
    assert_eq!(devices[0]["vendor_name"], serde_json::Value::Null);
    let ivshmem = &devices[1];
    assert_eq!((&ivshmem["ivshmem"], &ivshmem["address"]), (&true.into(), &"0000:00:1f.0".into()));
    assert_eq!((&ivshmem["vendor"], &ivshmem["class"]), (&"1af4".into(), &"050000".into()));
    assert_eq!(ivshmem["bars"][1]["bytes"], 8 * MIB);
}

#[test]
fn exit_codes_tell_the_reasons_apart() {
    let empty = FakeMachine::new();
    let output = pci(&empty).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("none of the 0 PCI devices is ivshmem (1af4:1110)"), "{output:?}");

    let output = pci(&empty).arg("--bars").output().unwrap();
    assert_eq!(output.status.code(), Some(2));

    std::fs::remove_dir(empty.root().join("sys/bus/pci/devices")).unwrap();
    let output = pci(&empty).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = pci(&machine()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}
