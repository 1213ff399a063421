//! Every ordering of the session under loom: what the name promises is there once its word shows.
//!
//! Memory types as in the ring's models: write-combining means that acquire and release order nothing and the fence
//! points do.

use super::entry::{is_session, read_entry, read_standing};
use super::{
    Answer, Attachment, AttachmentEvent, Channel, ChannelEvent, ChannelState, CloseReason, Identity,
    JoinRequest, Joiner, Offer, Port, Pulse, Refusal, Starts, Text, Uuid, read_answer, read_request,
    write_answer, write_request,
};
use crate::layout::{
    ChannelPlace, Geometry, RegionState, RingPlace, Superblock, SuperblockError, Version, VersionRange,
    cell_word, control_word, read_superblock, superblock_word, write_state, write_superblock,
};
use crate::memory::{Memory, MemoryType, ModelMemory};
use crate::ring::{Class, Consumer, Producer};
use core::time::Duration;
use loom::thread;

const NONCE: u64 = 77;
const START: u64 = 64;
const STALE: Duration = Duration::from_secs(5);

/// Both memory types, with few enough preemptions that each model takes seconds.
fn model(size: usize, body: impl Fn(ModelMemory) + Sync + Send + Clone + 'static) {
    for kind in [MemoryType::WriteBack, MemoryType::WriteCombining] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.max_branches = 50_000;
        let body = body.clone();
        builder.check(move || body(ModelMemory::new(size, kind)));
    }
}

fn request() -> JoinRequest {
    JoinRequest {
        attempt: 5,
        nonce: NONCE,
        identity: Identity { uuid: Uuid::from_u128(1), port: Port::agent() },
        boot: Uuid::from_u128(2),
        versions: VersionRange::SUPPORTED,
        features_required: 0,
        features_optional: 0,
        name: Text::truncated("guest"),
        second_writer: false,
    }
}

/// A channel in the first page; the status page of [`superblock`] follows it.
fn place() -> ChannelPlace {
    let (host_control, guest_control) = (512, 1024);
    let ring = |data, producer, consumer| RingPlace {
        data,
        capacity: 128,
        producer: producer + control_word::PRODUCER,
        consumer: consumer + control_word::CONSUMER,
    };
    ChannelPlace {
        to_host: ring(1536, guest_control, host_control),
        to_guest: ring(1664, host_control, guest_control),
        entry: 0,
        host_control,
        guest_control,
        first_position: START,
    }
}

const CHANNEL_SIZE: usize = 4096 + 16;

fn superblock() -> Superblock {
    Superblock::new(Geometry::new(1 << 20, 1).expect("fits"), [0; 16], "model")
}

fn starts() -> Starts {
    Starts { to_host: START, to_guest: START, salt: 9, to_guest_salt: 8 }
}

fn offer() -> Offer {
    Offer {
        channel: 0,
        place: place(),
        nonce: NONCE,
        salt: 9,
        to_guest_salt: 8,
        to_host_start: START,
        to_guest_start: START,
        version: Version::CURRENT,
        features: 0,
    }
}

/// The guest's side of a confirmation, with its two rings.
fn confirm(memory: &ModelMemory) -> (Attachment, Producer<ModelMemory>, Consumer<ModelMemory>) {
    let (place, offer) = (place(), offer());
    let superblock = superblock();
    let mut dice = || 3;
    let mut joiner = Joiner::unwritten(request());
    let tx = Producer::start(memory.clone(), place.to_host, offer.salt, START);
    let rx = Consumer::start(memory.clone(), place.to_guest, offer.to_guest_salt, START, START);
    let now = Duration::ZERO;
    let attachment = Attachment::confirm(memory, &superblock, offer, &mut joiner, now, STALE, &mut dice);
    (attachment, tx, rx)
}

/// The host's side of an offer.
fn offered(memory: &ModelMemory) -> (Channel, Consumer<ModelMemory>) {
    let mut channel = Channel::free(place(), STALE);
    let rx = Consumer::start(memory.clone(), place().to_host, starts().salt, START, START);
    channel.offer(memory, &request(), starts());
    (channel, rx)
}

#[test]
fn loom_region_ready() {
    model(4096, |memory| {
        let other = memory.clone();
        let host = thread::spawn(move || {
            write_superblock(&other, &superblock());
            write_state(&other, RegionState::Ready, "");
        });
        // Too small to be the region it says it is: that it says so shows that every word before was there.
        match read_superblock(&memory) {
            Err(SuperblockError::Empty | SuperblockError::Init) => {}
            found => assert_eq!(found, Err(SuperblockError::Size { said: 1 << 20, mapped: 4096 })),
        }
        host.join().expect("the host ends");
    });
}

#[test]
fn loom_join_request() {
    model(256, |memory| {
        let other = memory.clone();
        let guest = thread::spawn(move || write_request(&other, 0, &request()));
        // Looked at without order first: the reader's own acquire is what is tested.
        let shows = memory.load(cell_word::ATTEMPT) != 0;
        let found = shows.then(|| read_request(&memory, 0));
        assert!(found.is_none_or(|found| found == Some(request())), "{found:?}");
        guest.join().expect("the guest ends");
    });
}

#[test]
fn loom_join_answer() {
    model(128, |memory| {
        let answer = Answer { refusal: Refusal::Full { channels: 3 }, text: Text::truncated("full") };
        let other = memory.clone();
        let host = thread::spawn(move || write_answer(&other, 0, NONCE, &answer));
        let found = read_answer(&memory, 0, NONCE);
        assert!(found.is_none_or(|found| found == answer), "{found:?}");
        host.join().expect("the host ends");
    });
}

#[test]
fn loom_session_echo() {
    model(CHANNEL_SIZE, |memory| {
        let other = memory.clone();
        let host = thread::spawn(move || offered(&other));
        if memory.load(8) == NONCE {
            let entry = read_entry(&memory, 0);
            assert!(is_session(&memory, 0, NONCE));
            assert_eq!((entry.salt, entry.to_guest_salt, entry.to_host_start), (9, 8, START), "{entry:?}");
            assert_eq!((entry.uuid, entry.boot), (Uuid::from_u128(1), Uuid::from_u128(2)));
        }
        host.join().expect("the host ends");
    });
}

#[test]
fn loom_session_standing() {
    model(CHANNEL_SIZE, |memory| {
        let other = memory.clone();
        let host = thread::spawn(move || offered(&other));
        let (nonce, state) = read_standing(&memory, 0);
        assert!(nonce != NONCE || state == ChannelState::Offered, "{state:?} of the session before");
        host.join().expect("the host ends");
    });
}

#[test]
fn loom_session_confirm() {
    model(CHANNEL_SIZE, |memory| {
        let (mut channel, _rx) = offered(&memory);
        let other = memory.clone();
        let guest = thread::spawn(move || confirm(&other));
        if channel.poll(&memory, Duration::ZERO) == Some(ChannelEvent::Confirmed) {
            let to_guest = place().to_guest;
            assert_eq!(memory.load(to_guest.consumer + control_word::HEAD), START);
            assert_eq!(memory.load(place().to_host.producer + control_word::HINT), START);
        }
        guest.join().expect("the guest ends");
    });
}

#[test]
fn loom_session_bye() {
    model(CHANNEL_SIZE, |memory| {
        let (mut channel, mut rx) = offered(&memory);
        let (mut attachment, mut tx, _rx) = confirm(&memory);
        assert_eq!(channel.poll(&memory, Duration::ZERO), Some(ChannelEvent::Confirmed));
        let other = memory.clone();
        let guest = thread::spawn(move || {
            tx.push(2, Class::Message, &[&7_u64.to_le_bytes()]).expect("there is room");
            tx.flush();
            attachment.bye(&other, CloseReason::Bye);
        });
        if let Some(ChannelEvent::Bye(reason)) = channel.poll(&memory, Duration::ZERO) {
            assert_eq!(reason, CloseReason::Bye);
            assert!(rx.peek().expect("no fault").is_some(), "published before the good-bye, and not found");
        }
        guest.join().expect("the guest ends");
    });
}

#[test]
fn loom_heartbeat() {
    model(CHANNEL_SIZE, |memory| {
        // Beside the superblock's words, at which a guest looks first.
        let place = ChannelPlace { entry: 256, ..place() };
        let superblock = superblock();
        memory.store(superblock_word::STATE, 2);
        memory.store(superblock_word::GENERATION, superblock.generation);
        let mut channel = Channel::free(place, STALE);
        channel.offer(&memory, &request(), starts());
        let offer = Offer { place, ..offer() };
        let (now, mut dice) = (Duration::ZERO, || 3);
        let mut joiner = Joiner::unwritten(request());
        let mut older = Attachment::confirm(&memory, &superblock, offer, &mut joiner, now, STALE, &mut dice);
        let other = memory.clone();
        let newer = thread::spawn(move || {
            // The host admits another program of the same guest, which then beats in the same word.
            let request = JoinRequest { nonce: NONCE + 1, ..request() };
            channel.offer(&other, &request, Starts { to_host: START + 8, salt: 10, ..starts() });
            Pulse::start(
                &other,
                place.guest_control + control_word::SESSION + control_word::HEARTBEAT,
                now,
                4,
            );
        });
        let seen = older.poll(&memory, now, &mut dice);
        let superseded = AttachmentEvent::Closed(CloseReason::Superseded);
        assert!(seen.is_none_or(|seen| seen == superseded), "{seen:?}");
        newer.join().expect("the newer one ends");
    });
}
