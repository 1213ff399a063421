//! What a ring must do, the same on every memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::{fs::File, io::Write, time::Duration};

use ivring_proto::{
    layout::{PAGE, RingPlace, control_word},
    memory::{
        CombiningMemory, CrashMemory, Fences, HeapMemory, MappedFile, Memory, MemoryType, MixedMapping,
        SlowMemory, Uncached, WriteBack, WriteCombining,
    },
    ring::{Class, Consumer, Fault, PADDING, Producer, PushError, walk},
};

mod bare_ring;
use bare_ring::{place, size};

const SALT: u64 = 0x1234_5678_9abc_def0;
const CAPACITY: u64 = 4096;

/// Every case on one memory; `fresh` gives a zeroed one of a ring's size.
fn conforms<M: Memory + Clone>(fresh: impl Fn(u64) -> M) {
    words_and_bytes(&fresh(CAPACITY));
    nothing_shows_before_the_flush(fresh(CAPACITY));
    a_claim_is_seen_when_it_is_committed_and_flushed(fresh(CAPACITY));
    a_claim_that_is_dropped_leaves_the_padding_out(fresh(104));
    a_claim_that_is_dropped_does_not_open_what_was_closed(fresh(CAPACITY));
    every_payload_length_arrives(fresh(CAPACITY));
    the_ring_wraps_with_and_without_padding(fresh(104));
    the_largest_record_fits_at_every_offset(|| fresh(128));
    a_full_ring_says_so_and_publishes(fresh(128));
    classes_leave_space_for_control(fresh(CAPACITY));
    release_follows_the_window(fresh(CAPACITY));
    both_ends_can_be_replaced(fresh(CAPACITY));
    a_new_session_does_not_see_the_old_one(fresh(CAPACITY));
}

fn ends<M: Memory + Clone>(memory: &M, place: RingPlace) -> (Producer<M>, Consumer<M>) {
    let producer = Producer::start(memory.clone(), place, SALT, 0);
    (producer, Consumer::start(memory.clone(), place, SALT, 0, 0))
}

fn ring_of<M: Memory>(memory: &M) -> RingPlace {
    place(memory.size() - place(0).data)
}

fn take<M: Memory>(consumer: &mut Consumer<M>) -> Option<(u8, Vec<u8>)> {
    let record = consumer.peek().unwrap()?;
    let mut payload = vec![0; record.length()];
    consumer.copy_out(&record, 0, &mut payload);
    consumer.commit();
    Some((record.kind(), payload))
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 7 + seed * 31) % 256).unwrap()).collect()
}

fn words_and_bytes(memory: &impl Memory) {
    memory.store(8, 0x0807_0605_0403_0201);
    let mut out = [0; 10];
    memory.copy_out(7, &mut out);
    assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0], "words are little-endian");
    memory.copy_in(12, &[0xaa, 0xbb]);
    memory.full();
    assert_eq!(memory.load_acquire(8), 0x0807_bbaa_0403_0201);
    memory.store_release(memory.size() - 8, 5);
    assert_eq!(memory.load(memory.size() - 8), 5);
    memory.copy_in(memory.size(), &[]);
}

fn nothing_shows_before_the_flush<M: Memory + Clone>(memory: M) {
    let (mut producer, mut consumer) = ends(&memory, ring_of(&memory));
    assert_eq!(producer.push(7, Class::Message, &[b"one", b" ", b"record"]), Ok(0));
    assert_eq!(producer.push(8, Class::Message, &[]), Ok(24));
    assert_eq!(producer.position(), 32);
    assert_eq!(consumer.peek(), Ok(None));
    producer.flush();
    let record = consumer.peek().unwrap().unwrap();
    assert_eq!((record.kind(), record.length(), record.position(), record.redelivered()), (7, 10, 0, false));
    assert_eq!(consumer.peek(), Ok(Some(record)), "peeking does not consume");
    let mut part = [0; 3];
    consumer.copy_out(&record, 4, &mut part);
    assert_eq!(&part, b"rec");
    assert_eq!(take(&mut consumer), Some((7, b"one record".to_vec())));
    assert_eq!(take(&mut consumer), Some((8, vec![])));
    assert_eq!(take(&mut consumer), None);
    assert_eq!(producer.used(), Ok(0), "an empty ring is released");
}

fn a_claim_is_seen_when_it_is_committed_and_flushed<M: Memory + Clone>(memory: M) {
    let (mut producer, mut consumer) = ends(&memory, ring_of(&memory));
    let mut claim = producer.claim(9, Class::Message, 20).unwrap();
    claim.write(12, b"in place");
    claim.write(0, b"written ");
    claim.write(8, b"all ");
    assert_eq!(claim.commit(), 0);
    assert_eq!(consumer.peek(), Ok(None));
    producer.flush();
    let record = consumer.peek().unwrap().unwrap();
    let view = consumer.view(&record);
    assert_eq!((record.kind(), view.length()), (9, 20));
    assert_eq!(view.word(12), u64::from_le_bytes(*b"in place"));
    let mut buffer = [0; 8];
    let mut chunks = view.chunks(&mut buffer);
    assert_eq!(chunks.next_chunk(), Some(&b"written "[..]));
    assert_eq!(chunks.next_chunk(), Some(&b"all in p"[..]));
    assert_eq!(chunks.next_chunk(), Some(&b"lace"[..]));
    assert_eq!(chunks.next_chunk(), None);
    assert_eq!(take(&mut consumer), Some((9, b"written all in place".to_vec())));
}

/// A padding without its record would be a fault at the other end.
fn a_claim_that_is_dropped_leaves_the_padding_out<M: Memory + Clone>(memory: M) {
    let (mut producer, mut consumer) = ends(&memory, ring_of(&memory));
    for payload in [24, 24] {
        producer.push(2, Class::Control, &[&bytes(payload, payload)]).unwrap();
        producer.flush();
        assert!(take(&mut consumer).is_some());
    }
    // 64 of 104 bytes: the next record begins anew.
    let mut claim = producer.claim(3, Class::Control, 40).unwrap();
    claim.write(0, &[0xff; 40]);
    drop(claim);
    assert_eq!(producer.position(), 64);
    producer.flush();
    assert_eq!(consumer.peek(), Ok(None));
    producer.push(4, Class::Control, &[b"short"]).unwrap();
    producer.claim(5, Class::Control, 40).unwrap().commit();
    producer.flush();
    assert_eq!(take(&mut consumer), Some((4, b"short".to_vec())));
    let record = consumer.peek().unwrap().unwrap();
    assert_eq!((record.kind(), record.length(), record.position()), (5, 40, 104));
}

/// What comes after a record of 64 bytes is closed where another of 64 bytes would end.
fn a_claim_that_is_dropped_does_not_open_what_was_closed<M: Memory + Clone>(memory: M) {
    let place = ring_of(&memory);
    let (mut producer, mut consumer) = ends(&memory, place);
    for length in [56, 48, 64] {
        producer.push(2, Class::Control, &[&[1; 56]]).unwrap();
        producer.flush();
        producer.prepare();
        producer.claim(3, Class::Control, 200).unwrap().write(0, &[0xff; 200]);
        producer.push(4, Class::Control, &[&bytes(length, 4)]).unwrap();
        producer.flush();
        assert_eq!(take(&mut consumer), Some((2, vec![1; 56])));
        assert_eq!(take(&mut consumer), Some((4, bytes(length, 4))));
        assert_eq!(take(&mut consumer), None);
    }
}

fn every_payload_length_arrives<M: Memory + Clone>(memory: M) {
    let (mut producer, mut consumer) = ends(&memory, ring_of(&memory));
    for length in 0..=300 {
        let payload = bytes(length, length);
        let (front, back) = payload.split_at(length / 3);
        producer.push(2, Class::Message, &[front, back]).unwrap();
        producer.flush();
        assert_eq!(take(&mut consumer), Some((2, payload)), "{length} bytes");
    }
}

fn the_ring_wraps_with_and_without_padding<M: Memory + Clone>(memory: M) {
    let place = ring_of(&memory);
    let (mut producer, mut consumer) = ends(&memory, place);
    let mut padded = 0;
    for round in 0..200 {
        let payload = bytes(round * 5 % 41, round);
        let before = producer.position();
        producer.push(3, Class::Control, &[&payload]).unwrap();
        padded += u32::from(producer.position() - before > 8 + payload.len().next_multiple_of(8) as u64);
        producer.flush();
        assert_eq!(take(&mut consumer), Some((3, payload)));
    }
    assert!(padded > 10, "{padded} paddings");
    assert!(producer.position() > 20 * place.capacity);
}

fn the_largest_record_fits_at_every_offset<M: Memory + Clone>(fresh: impl Fn() -> M) {
    for start in (0..128).step_by(8) {
        let memory = fresh();
        let place = ring_of(&memory);
        let mut producer = Producer::start(memory.clone(), place, SALT, start);
        let mut consumer = Consumer::start(memory, place, SALT, start, start);
        for class in [Class::Message, Class::Control] {
            let payload = bytes(producer.max_payload(), 1);
            producer.push(2, class, &[&payload]).unwrap();
            producer.flush();
            assert_eq!(take(&mut consumer), Some((2, payload)), "from {start}");
            assert_eq!(take(&mut consumer), None);
        }
    }
}

fn a_full_ring_says_so_and_publishes<M: Memory + Clone>(memory: M) {
    let (mut producer, mut consumer) = ends(&memory, ring_of(&memory));
    assert_eq!((producer.capacity(), producer.max_payload(), producer.max_fragment()), (128, 56, 8));
    let too_large = PushError::TooLarge { length: 57, max: 56 };
    assert_eq!(producer.push(2, Class::Message, &[&[0; 56], &[0]]), Err(too_large));
    assert_eq!(producer.push(2, Class::Bulk, &[&[0; 9]]), Err(PushError::TooLarge { length: 9, max: 8 }));
    for _ in 0..7 {
        producer.push(2, Class::Control, &[&[1; 8]]).unwrap();
    }
    let full = PushError::Full { needed: 16, free: 8 };
    assert_eq!(
        producer.push(2, Class::Control, &[&[1; 8]]),
        Err(full),
        "8 bytes stay for the header of zero"
    );
    assert!(consumer.peek().unwrap().is_some(), "what was open is published");
    producer.push(2, Class::Control, &[]).unwrap();
    assert_eq!(producer.push(2, Class::Control, &[]), Err(PushError::Full { needed: 8, free: 0 }));
    for _ in 0..8 {
        assert!(take(&mut consumer).is_some());
    }
    assert_eq!(take(&mut consumer), None);
    producer.push(2, Class::Control, &[]).unwrap();
}

fn classes_leave_space_for_control<M: Memory + Clone>(memory: M) {
    let (mut producer, mut consumer) = ends(&memory, ring_of(&memory));
    let pushed = |producer: &mut Producer<M>, class, length| {
        (0..).take_while(|_| producer.push(2, class, &[&vec![0; length]]).is_ok()).count() as u64
    };
    // A fragment here is 512 bytes with its header.
    assert_eq!(pushed(&mut producer, Class::Bulk, 504) * 512, CAPACITY / 4);
    assert_eq!(pushed(&mut producer, Class::Message, 504) * 512, CAPACITY * 7 / 8 - CAPACITY / 4 - 512);
    assert_eq!(pushed(&mut producer, Class::Message, 0) * 8, 504);
    assert_eq!(pushed(&mut producer, Class::Control, 0) * 8, 512);
    producer.flush();
    // Half of the bulk is released: half of the quota is back, but not the space that control keeps.
    consumer.set_release_window(0);
    take(&mut consumer).unwrap();
    assert_eq!(pushed(&mut producer, Class::Bulk, 504), 0);
    while take(&mut consumer).is_some() {}
    // To the start of the ring: a padding would count as bulk.
    producer.push(2, Class::Control, &[]).unwrap();
    assert_eq!(producer.position(), CAPACITY);
    assert_eq!(pushed(&mut producer, Class::Bulk, 504) * 512, CAPACITY / 4);
}

fn release_follows_the_window<M: Memory + Clone>(memory: M) {
    let place = ring_of(&memory);
    let (mut producer, mut consumer) = ends(&memory, place);
    for _ in 0..60 {
        producer.push(2, Class::Control, &[&[0; 24]]).unwrap();
    }
    producer.flush();
    let head = || memory.load(place.consumer + control_word::HEAD);
    let seen = || memory.load(place.consumer + control_word::SEEN);
    for _ in 0..15 {
        take(&mut consumer).unwrap();
    }
    assert_eq!((head(), seen(), consumer.position()), (0, 15 * 32, 15 * 32));
    take(&mut consumer).unwrap();
    assert_eq!(head(), CAPACITY / 8, "an eighth of the ring by default");
    consumer.set_release_window(64);
    take(&mut consumer).unwrap();
    assert_eq!(head(), CAPACITY / 8);
    take(&mut consumer).unwrap();
    assert_eq!(head(), CAPACITY / 8 + 64);
    take(&mut consumer).unwrap();
    consumer.peek().unwrap().unwrap();
    consumer.release();
    assert_eq!((head(), seen()), (CAPACITY / 8 + 96, CAPACITY / 8 + 128), "a peeked record is not released");
    assert_eq!(producer.head(), Ok(CAPACITY / 8 + 96));
    assert_eq!(producer.used(), Ok(60 * 32 - CAPACITY / 8 - 96));
}

fn both_ends_can_be_replaced<M: Memory + Clone>(memory: M) {
    let place = ring_of(&memory);
    let (mut producer, mut consumer) = ends(&memory, place);
    for number in 0..4 {
        producer.push(2, Class::Message, &[&[number; 100]]).unwrap();
    }
    producer.flush();
    producer.push(2, Class::Message, &[b"never published"]).unwrap();
    take(&mut consumer).unwrap();
    consumer.release();
    take(&mut consumer).unwrap();
    consumer.peek().unwrap().unwrap();

    let mut left = vec![];
    let end = walk(&memory, place, SALT, 112, |record| left.push(record.position()));
    assert_eq!((end, left), (Ok(448), vec![112, 224, 336]));
    let mut producer = Producer::recover(memory.clone(), place, SALT).unwrap();
    assert_eq!(producer.position(), 448);
    assert_eq!(producer.used(), Ok(448 - 112));
    producer.push(2, Class::Message, &[&[4; 100]]).unwrap();
    producer.flush();

    let mut consumer = Consumer::resume(memory.clone(), place, SALT).unwrap();
    for (number, again) in [(1, true), (2, true), (3, false), (4, false)] {
        let record = consumer.peek().unwrap().unwrap();
        assert_eq!(record.redelivered(), again, "record {number}");
        assert_eq!(take(&mut consumer), Some((2, vec![number; 100])));
    }
    assert_eq!(take(&mut consumer), None);
    assert!(!consumer.is_behind_hint());
}

fn a_new_session_does_not_see_the_old_one<M: Memory + Clone>(memory: M) {
    let place = ring_of(&memory);
    let (mut producer, _) = ends(&memory, place);
    for _ in 0..100 {
        producer.push(2, Class::Control, &[b"old"]).unwrap();
    }
    producer.flush();
    let mut producer = Producer::start(memory.clone(), place, !SALT, 16);
    let mut consumer = Consumer::start(memory.clone(), place, !SALT, 16, 16);
    assert_eq!(consumer.peek(), Ok(None));
    producer.push(2, Class::Control, &[b"new"]).unwrap();
    producer.flush();
    assert_eq!(take(&mut consumer), Some((2, b"new".to_vec())));
    assert_eq!(take(&mut consumer), None);
    // Whoever joins with the old salt reads nothing of the new session.
    let mut stranger = Consumer::start(memory, place, SALT, 16, 16);
    assert!(matches!(stranger.peek(), Err(Fault::Tag { position: 16, .. })));
}

fn region_file(capacity: u64) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0; size(capacity)]).unwrap();
    file
}

fn heap<F: Fences>(capacity: u64) -> HeapMemory<F> {
    HeapMemory::new(size(capacity)).with_fences()
}

fn file<F: Fences>(capacity: u64) -> MappedFile<F> {
    MappedFile::map(&region_file(capacity), size(capacity) as u64).unwrap().with_fences()
}

#[test]
fn on_the_heap() {
    conforms(heap::<WriteBack>);
    conforms(heap::<Uncached>);
    conforms(heap::<WriteCombining>);
}

#[test]
fn in_a_file() {
    conforms(file::<WriteBack>);
    conforms(file::<WriteCombining>);
}

#[test]
fn in_a_mapping_of_each_memory_type() {
    for memory_type in [MemoryType::WriteBack, MemoryType::Uncached, MemoryType::WriteCombining] {
        conforms(|capacity| {
            let mapping =
                MixedMapping::whole(&region_file(capacity), size(capacity) as u64, memory_type).unwrap();
            assert_eq!(mapping.memory_type(), memory_type);
            mapping
        });
    }
    conforms(|capacity| MixedMapping::from(file::<WriteBack>(capacity)));
}

#[test]
fn with_stores_that_leave_in_any_order() {
    conforms(|capacity| CombiningMemory::new(size(capacity)).processor(Some(capacity)));
}

#[test]
fn on_slow_memory() {
    conforms(|capacity| SlowMemory::new(heap::<Uncached>(capacity), Duration::from_nanos(200)));
}

#[test]
fn in_the_crash_simulation() {
    conforms(|capacity| CrashMemory::new(size(capacity)));
}

#[test]
fn two_mappings_of_a_file_are_one_region() {
    let file = region_file(CAPACITY);
    let length = size(CAPACITY) as u64;
    let host = MappedFile::map(&file, length).unwrap();
    let guest = MappedFile::map(&file, length).unwrap();
    let reader = MappedFile::map_read_only(&file, length).unwrap();
    let mut producer = Producer::start(guest, place(CAPACITY), SALT, 0);
    let mut consumer = Consumer::start(host.clone(), place(CAPACITY), SALT, 0, 0);
    producer.push(2, Class::Message, &[b"across"]).unwrap();
    producer.flush();
    assert_eq!(walk(&reader, place(CAPACITY), SALT, 0, |_| {}), Ok(16));
    assert_eq!(take(&mut consumer), Some((2, b"across".to_vec())));
    reader.store(0, 99);
    assert_eq!((reader.load(0), host.load(0)), (99, 16), "a reader changes nothing for others");
}

#[test]
fn a_mapping_is_never_longer_than_its_file() {
    let file = region_file(CAPACITY);
    for length in [0, 12, size(CAPACITY) as u64 + 8] {
        let refused = MappedFile::map(&file, length).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        assert!(refused.to_string().contains(&format!("{length} bytes")), "{refused}");
    }
}

/// Two pages of one file and two of another, in one mapping.
#[test]
fn a_split_mapping_shows_each_file_on_its_side_of_the_boundary() {
    let (uncached, combining) = (file_of_pages(b"UNCACHED"), file_of_pages(b"COMBINES"));
    let mapping = MixedMapping::split(&uncached, &combining, 4 * PAGE, 2 * PAGE).unwrap();
    assert_eq!((mapping.size(), mapping.memory_type()), (4 * PAGE, MemoryType::WriteCombining));
    for (at, expected) in [(0, b"UNCACHED"), (2 * PAGE - 8, b"UNCACHED"), (2 * PAGE, b"COMBINES")] {
        assert_eq!(mapping.load(at), u64::from_le_bytes(*expected), "at {at}");
    }
    let mut across = [0; 16];
    mapping.copy_out(2 * PAGE - 8, &mut across);
    assert_eq!(&across, b"UNCACHEDCOMBINES", "it is one piece of memory");
    mapping.copy_in(2 * PAGE - 8, b"<------><------>");
    mapping.full();
    let stored = |file: &File| MappedFile::map(file, 4 * PAGE).unwrap();
    let (left, right) = (u64::from_le_bytes(*b"UNCACHED"), u64::from_le_bytes(*b"COMBINES"));
    let written = u64::from_le_bytes(*b"<------>");
    for (file, old, words) in [(&uncached, left, [written, left]), (&combining, right, [right, written])] {
        let file = stored(file);
        assert_eq!([file.load(2 * PAGE - 8), file.load(2 * PAGE)], words);
        assert_eq!([file.load(0), file.load(4 * PAGE - 8)], [old; 2]);
    }
}

#[test]
fn a_boundary_that_is_none_is_refused() {
    let file = file_of_pages(b"12345678");
    for boundary in [0, 8, PAGE - 8, 4 * PAGE, 5 * PAGE] {
        let refused = MixedMapping::split(&file, &file, 4 * PAGE, boundary);
        assert!(refused.is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidInput), "{boundary}");
    }
    let short = region_file(CAPACITY);
    assert!(MixedMapping::split(&file, &short, 4 * PAGE, PAGE).is_err(), "shorter than the other");
}

fn file_of_pages(word: &[u8; 8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&word.repeat(4 * 512)).unwrap();
    file
}

#[test]
fn accesses_outside_are_refused() {
    let memory = HeapMemory::new(64);
    let refused = |access: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(access)).is_err();
    for at in [64, 4, u64::MAX - 7] {
        assert!(refused(&|| assert_eq!(memory.load(at), 0)));
        assert!(refused(&|| memory.store(at, 1)));
    }
    assert!(refused(&|| memory.copy_in(60, &[0; 5])));
    assert!(refused(&|| memory.copy_out(u64::MAX, &mut [0; 2])));
    assert!(!refused(&|| memory.copy_in(59, &[0; 5])));
}

fn a_record_and_its_claim(length: usize) -> (Producer<HeapMemory>, Consumer<HeapMemory>) {
    let memory: HeapMemory = heap(CAPACITY);
    let (mut producer, mut consumer) = ends(&memory, place(CAPACITY));
    producer.push(2, Class::Message, &[&bytes(length, 1)]).unwrap();
    producer.flush();
    consumer.peek().unwrap().unwrap();
    (producer, consumer)
}

#[test]
#[should_panic(expected = "2 bytes at 7 of a payload of 8")]
fn a_claim_ends_where_it_was_said_to() {
    let (mut producer, _) = a_record_and_its_claim(8);
    producer.claim(2, Class::Message, 8).unwrap().write(7, &[1, 2]);
}

#[test]
#[should_panic(expected = "8 bytes at 3 of a payload of 10")]
fn a_view_ends_with_the_record() {
    let (_, mut consumer) = a_record_and_its_claim(10);
    let record = consumer.peek().unwrap().unwrap();
    let _ = consumer.view(&record).word(3);
}

#[test]
fn bugs_of_the_caller_are_told() {
    let memory = HeapMemory::new(size(CAPACITY));
    let refused =
        |work: &mut dyn FnMut()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
    let (mut producer, mut consumer) = ends(&memory, place(CAPACITY));
    producer.push(2, Class::Control, &[b"payload"]).unwrap();
    producer.push(2, Class::Control, &[b"another"]).unwrap();
    producer.flush();
    let record = consumer.peek().unwrap().unwrap();
    assert!(refused(&mut || consumer.copy_out(&record, 1, &mut [0; 7])));
    consumer.commit();
    assert!(refused(&mut || consumer.copy_out(&record, 0, &mut [0; 7])), "it is not there any more");
    assert!(refused(&mut || assert!(producer.push(PADDING, Class::Control, &[]).is_ok())));
    for capacity in [24, 33, CAPACITY + 8] {
        let mut start = || assert!(Producer::start(&memory, place(capacity), SALT, 0).fault().is_none());
        assert!(refused(&mut start), "{capacity}");
    }
}
