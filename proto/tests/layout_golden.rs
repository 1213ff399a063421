//! Pins the bytes: a region with one session and one message each way is compared, word by word, with a file.
//!
//! A difference means that old and new programs no longer understand each other: it takes a new version, and a new clause
//! in docs/protocol.md.
#![cfg(not(loom))]
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;
use std::time::Duration;

use ivring_proto::layout::{Geometry, Superblock, VersionRange};
use ivring_proto::link::{
    Fragment, GuestEnd, GuestOptions, HostEnd, Kind, Link, Status, Topic, format_region,
};
use ivring_proto::memory::{HeapMemory, Memory};
use ivring_proto::session::{
    Answer, HostPulse, Identity, JoinRequest, Port, Refusal, Text, Uuid, write_answer, write_request,
};

const SIZE: u64 = 1 << 20;
const STALE: Duration = Duration::from_secs(5);

fn region() -> (HeapMemory, Geometry) {
    let memory = HeapMemory::new(usize::try_from(SIZE).unwrap());
    let geometry = Geometry::with_capacities(SIZE, 2, 16384, 8192).unwrap();
    let owner = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    let superblock = Superblock::new(geometry, *owner.as_bytes(), "fg_i3");
    format_region(&memory, &superblock);
    (memory, geometry)
}

fn request() -> JoinRequest {
    JoinRequest {
        attempt: 0xa0,
        nonce: 0xb0,
        identity: Identity { uuid: Uuid::from_u128(0xc0), port: Port::agent() },
        boot: Uuid::from_u128(0xd0),
        versions: VersionRange::SUPPORTED,
        features_required: 0,
        features_optional: 0,
        name: Text::truncated("web1"),
        second_writer: false,
    }
}

/// Every word that is not zero, with its offset and its bytes as they lie in memory.
fn dump(memory: &HeapMemory) -> String {
    let mut text = String::new();
    for at in (0..SIZE).step_by(8) {
        let word = memory.load(at);
        if word != 0 {
            let bytes = word.to_le_bytes().map(|byte| format!("{byte:02x}")).join(" ");
            writeln!(text, "{at:08x}  {bytes}").unwrap();
        }
    }
    text
}

fn compare(name: &str, found: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{path} no longer describes what is written:\n{found}");
}

#[test]
fn a_fresh_region() {
    compare("fresh.txt", &dump(&region().0));
}

#[test]
fn a_request_and_its_refusal() {
    let (memory, geometry) = region();
    write_request(&memory, geometry.cell(3).unwrap(), &request());
    let answer =
        Answer { refusal: Refusal::Full { channels: 2 }, text: Text::truncated("no channel is free") };
    write_answer(&memory, geometry.answer(3).unwrap(), 0xb0, &answer);
    compare("refused.txt", &dump(&memory));
}

/// An attached guest and its host.
fn session(memory: &HeapMemory, geometry: &Geometry) -> (GuestEnd<HeapMemory>, HostEnd<HeapMemory>) {
    let now = Duration::from_secs(1);
    // "Random" words, each different and easy to find.
    let (mut host_words, mut guest_words) = (0x1000..0x2000, 0x2000..0x3000);
    let mut host_dice = || host_words.next().unwrap();
    let mut guest_dice = || guest_words.next().unwrap();
    HostPulse::start(memory, geometry, now, &mut host_dice);
    let mut host = HostEnd::recover(memory.clone(), geometry, 1, now, STALE, None).unwrap();
    let JoinRequest { identity, boot, name, .. } = request();
    let options = GuestOptions { identity, boot, name, stale_after: STALE };
    let mut guest = GuestEnd::new(memory.clone(), options);
    assert_eq!(guest.poll(now, &mut guest_dice), None);
    // The nonce is the guest's first random word.
    host.offer(now, &JoinRequest { nonce: 0x2000, ..request() });
    assert_eq!(host.poll(now, &mut host_dice), None);
    guest.poll(now, &mut guest_dice).expect("attached");
    host.poll(now, &mut host_dice).expect("attached");
    (guest, host)
}

#[test]
fn a_session_with_a_message_each_way() {
    let (memory, geometry) = region();
    let (mut guest, mut host) = session(&memory, &geometry);
    guest.send(Topic::new("up").unwrap(), b"from guest").unwrap();
    let send = |link: &mut Link<HeapMemory>| {
        link.send(Topic::new("down").unwrap(), b"from host")?;
        link.flush();
        Ok(())
    };
    host.send_with(send).unwrap();
    let mut buffer = vec![0; 8192];
    assert_eq!(host.receive(&mut buffer).unwrap().expect("a message").payload, b"from guest");
    compare("session.txt", &dump(&memory));
}

#[test]
fn a_session_with_two_fragments_and_their_end() {
    let (memory, geometry) = region();
    let (mut guest, mut host) = session(&memory, &geometry);
    let link = guest.link().expect("attached");
    let first = Fragment { transfer: 1 << 63 | 0xe0, total: 11, offset: 0, of: Kind::Request };
    link.send_piece(&first, 0xf0, Status::Ok, Some(Topic::new("up").unwrap()), b"first ").unwrap();
    let second = Fragment { offset: 6, ..first };
    link.send_piece(&second, 0xf0, Status::Ok, None, b"again").unwrap();
    link.flush();
    let end = |link: &mut Link<HeapMemory>| {
        link.end_transfer(first.transfer, 0)?;
        link.flush();
        Ok(())
    };
    host.send_with(end).unwrap();
    let mut buffer = vec![0; 8192];
    assert_eq!(host.receive(&mut buffer).unwrap().expect("a piece").fragment, Some(first));
    assert_eq!(host.receive(&mut buffer).unwrap().expect("a piece").fragment, Some(second));
    let mut piece = [0; 5];
    host.piece().expect("it is in the ring").copy_to(0, &mut piece);
    assert_eq!(&piece, b"again");
    compare("fragments.txt", &dump(&memory));
}
