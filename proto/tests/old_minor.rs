//! What programs of protocol 1.0 wrote is understood for ever. Their bytes are in `golden/1.0`, which never changes.
#![cfg(not(loom))]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use ivring_proto::layout::{Superblock, Version, VersionRange, read_superblock};
use ivring_proto::link::HostEnd;
use ivring_proto::memory::{HeapMemory, Memory};
use ivring_proto::session::{Phase, Uuid, read_answer, read_request};

const OLD: Version = Version { major: 1, minor: 0 };

/// The region of a dump, with its superblock.
fn region(dump: &str) -> (HeapMemory, Superblock) {
    let memory = HeapMemory::new(1 << 20);
    for line in dump.lines() {
        let (offset, bytes) = line.split_once("  ").unwrap();
        let bytes: Vec<_> = bytes.split(' ').map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect();
        memory.copy_in(u64::from_str_radix(offset, 16).unwrap(), &bytes);
    }
    let superblock = read_superblock(&memory).unwrap();
    (memory, superblock)
}

#[test]
fn the_superblock() {
    let (_, superblock) = region(include_str!("golden/1.0/fresh.txt"));
    let Superblock { versions, geometry, generation, name, .. } = superblock;
    assert_eq!(versions, VersionRange { min: OLD, max: OLD });
    assert_eq!((geometry.channels(), geometry.to_host(), geometry.to_guest()), (2, 16384, 8192));
    assert_eq!((generation, name.as_str()), (1, "fg_i3"));
}

#[test]
fn a_request_and_its_refusal() {
    let (memory, Superblock { geometry, .. }) = region(include_str!("golden/1.0/refused.txt"));
    let request = read_request(&memory, geometry.cell(3).unwrap()).unwrap();
    assert_eq!(request.versions, VersionRange { min: OLD, max: OLD });
    assert_eq!((request.nonce, request.boot, request.name.as_str()), (0xb0, Uuid::from_u128(0xd0), "web1"));
    let answer = read_answer(&memory, geometry.answer(3).unwrap(), 0xb0).unwrap();
    assert_eq!(answer.text.as_str(), "no channel is free");
}

#[test]
fn a_session_with_a_message_each_way() {
    let (memory, Superblock { geometry, .. }) = region(include_str!("golden/1.0/session.txt"));
    let (now, stale) = (Duration::from_secs(1), Duration::from_secs(5));
    let mut host = HostEnd::recover(memory, &geometry, 1, now, stale, None).unwrap();
    assert_eq!(host.channel().phase(), Phase::Attached);
    assert_eq!(host.channel().binding().unwrap().version, OLD);
    // The old host had it in its hands: it comes again, and says so.
    let mut buffer = vec![0; 8192];
    let received = host.receive(&mut buffer).unwrap().expect("a message");
    assert_eq!((received.topic, received.payload, received.redelivered), ("up", &b"from guest"[..], true));
    assert!(host.receive(&mut buffer).unwrap().is_none());
}
