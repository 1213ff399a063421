//! A peer that writes anything anywhere. The ring may end the session, but never panics, loops for ever or reads outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use ivring_proto::{
    layout::control_word,
    memory::{CrashMemory, HeapMemory, Memory},
    ring::{Class, Consumer, Fault, PADDING, Producer, PushError, handed_over, walk},
};

mod bare_ring;
mod random;
use bare_ring::{place, size};
use random::Random;

const SALT: u64 = 0xabcd_ef01_2345_6789;
const CAPACITY: u64 = 256;
const START: u64 = 1000 * CAPACITY;

fn header(length: u64, kind: u8, position: u64) -> u64 {
    length | u64::from(kind) << 32 | (((position / 8) ^ SALT) & 0xff_ffff) << 40
}

fn data(position: u64) -> u64 {
    place(CAPACITY).data + position % CAPACITY
}

fn memory() -> CrashMemory {
    CrashMemory::new(size(CAPACITY))
}

/// What a consumer at `START` says to the words written, and a walk and a recovery must say the same.
fn consumer_says(words: &[(u64, u64)]) -> Fault {
    let memory = memory();
    let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), SALT, START, START);
    for (position, word) in words {
        memory.store(data(*position), *word);
    }
    let mut fault = None;
    for _ in 0..40 {
        match consumer.peek() {
            Ok(Some(_)) => consumer.commit(),
            Ok(None) => panic!("no fault"),
            Err(found) => {
                fault = Some(found);
                break;
            }
        }
    }
    let fault = fault.expect("endless");
    let stores = memory.stores();
    consumer.commit();
    consumer.release();
    assert_eq!((consumer.peek(), consumer.fault()), (Err(fault), Some(fault)), "it stays so");
    assert_eq!(memory.stores(), stores, "and nothing is stored any more");
    fault
}

#[test]
fn every_fault_of_a_header_is_named() {
    let word = header(16, 2, START + 8);
    let (found, expected) = (word >> 40, header(0, 0, START) >> 40);
    assert_eq!(
        consumer_says(&[(START, word)]),
        Fault::Tag { position: START, header: word, found, expected }
    );

    let word = header(16, 0, START);
    assert_eq!(consumer_says(&[(START, word)]), Fault::Kind { position: START, header: word });

    for length in [0, 7, CAPACITY + 1, 0xffff_ffff] {
        let fault = Fault::Length { position: START, length, room: CAPACITY };
        assert_eq!(consumer_says(&[(START, header(length, 2, START))]), fault);
    }
    // Behind two records of 128 and 64 bytes only 64 are left.
    let two = [(START, header(128, 2, START)), (START + 128, header(64, 2, START + 128))];
    let third = (START + 192, header(65, 2, START + 192));
    let fault = Fault::Length { position: START + 192, length: 65, room: 64 };
    assert_eq!(consumer_says(&[two[0], two[1], third]), fault);

    let fault = Fault::TooLong { position: START, length: 129, max: 128 };
    assert_eq!(consumer_says(&[(START, header(129, 2, START))]), fault);

    // A padding of the wrong length, one of half the ring, and one with nothing behind it.
    let padding = |length| (START + 192, header(length, PADDING, START + 192));
    let fault = Fault::Padding { position: START + 192, length: 56, room: 64 };
    assert_eq!(consumer_says(&[two[0], two[1], padding(56)]), fault);
    let half = (START + 128, header(128, PADDING, START + 128));
    let fault = Fault::Padding { position: START + 128, length: 128, room: 128 };
    assert_eq!(consumer_says(&[two[0], half]), fault);
    let whole = (START, header(CAPACITY, PADDING, START));
    let fault = Fault::Padding { position: START, length: CAPACITY, room: CAPACITY };
    assert_eq!(consumer_says(&[whole]), fault);
    let after = (START + CAPACITY, 0);
    let fault = Fault::NothingAfterPadding { position: START + 192 };
    assert_eq!(walked_then(&[two[0], two[1], padding(64), after]), fault);
}

/// As `consumer_says`, but the words of the first record are taken away behind its back.
fn walked_then(words: &[(u64, u64)]) -> Fault {
    let memory = memory();
    let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), SALT, START, START);
    words[..2].iter().for_each(|(position, word)| memory.store(data(*position), *word));
    for _ in 0..2 {
        consumer.peek().unwrap().unwrap();
        consumer.commit();
    }
    words[2..].iter().for_each(|(position, word)| memory.store(data(*position), *word));
    consumer.peek().unwrap_err()
}

#[test]
fn a_refused_start_is_not_looked_at() {
    let consumer = Consumer::start(memory(), place(CAPACITY), SALT, START + 4, START + 4);
    assert_eq!(consumer.fault(), Some(Fault::Start { position: START + 4 }));
    assert!(!consumer.is_behind_hint());
}

#[test]
fn a_head_must_stay_between_the_last_one_and_what_is_published() {
    let three_records = || {
        let memory = memory();
        let mut producer = Producer::start(memory.clone(), place(CAPACITY), SALT, START);
        memory.store(place(CAPACITY).consumer + control_word::HEAD, START + 16);
        for _ in 0..3 {
            producer.push(2, Class::Control, &[&[0; 8]]).unwrap();
        }
        producer.flush();
        assert_eq!(producer.head(), Ok(START + 16));
        producer.push(2, Class::Control, &[&[0; 8]]).unwrap();
        (memory, producer)
    };
    let range = |head| Fault::Head { head, from: START + 16, to: START + 48 };
    for (head, fault) in [
        (START + 8, range(START + 8)),
        (START + 56, range(START + 56)),
        (0, range(0)),
        (u64::MAX - 7, range(u64::MAX - 7)),
        (START + 20, Fault::HeadUnaligned { head: START + 20 }),
    ] {
        let (memory, mut producer) = three_records();
        memory.store(place(CAPACITY).consumer + control_word::HEAD, head);
        assert_eq!(producer.used(), Err(fault));
        let stores = memory.stores();
        assert_eq!(producer.push(2, Class::Control, &[]), Err(PushError::Fault(fault)));
        assert_eq!((producer.head(), producer.fault()), (Err(fault), Some(fault)));
        producer.flush();
        assert_eq!(memory.stores(), stores, "nothing is stored any more");
    }
    // A full ring looks at the head by itself.
    let (memory, mut producer) = three_records();
    memory.store(place(CAPACITY).consumer + control_word::HEAD, START);
    let error = (0..40).find_map(|_| producer.push(2, Class::Control, &[&[0; 8]]).err());
    assert!(matches!(error, Some(PushError::Fault(Fault::Head { head: START, .. }))), "{error:?}");
}

#[test]
fn a_recovery_trusts_nothing() {
    let recover = |hint: u64, head: u64, words: &[(u64, u64)]| {
        let memory = memory();
        memory.store(place(CAPACITY).producer + control_word::HINT, hint);
        memory.store(place(CAPACITY).consumer + control_word::HEAD, head);
        words.iter().for_each(|(position, word)| memory.store(data(*position), *word));
        let stores = memory.stores();
        let outcome =
            Producer::recover(memory.clone(), place(CAPACITY), SALT).map(|producer| producer.position());
        assert!(outcome.is_ok() || memory.stores() == stores, "a refused recovery stores nothing");
        outcome
    };
    assert_eq!(recover(START, START, &[]), Ok(START));
    assert_eq!(recover(START + 248, START, &[]), Ok(START + 248));
    assert_eq!(recover(START - 248, START, &[]), Ok(START));
    for (hint, head) in
        [(START + 256, START), (START - 256, START), (0, START), (START + 4, START), (START, 0)]
    {
        assert_eq!(recover(hint, head, &[]), Err(Fault::Hint { hint, head }));
    }
    assert_eq!(recover(START, START + 1, &[]), Err(Fault::HeadUnaligned { head: START + 1 }));
    let word = header(16, 0, START);
    assert_eq!(recover(START, START, &[(START, word)]), Err(Fault::Kind { position: START, header: word }));
    // Records from the hint on, but more than fit since the head.
    let record = (START + 240, header(16, 2, START + 240));
    let fault = Fault::Overfull { end: START + 256, head: START, max: 248 };
    assert_eq!(recover(START + 240, START, &[record]), Err(fault));
    // Headers in every word of the ring: no end.
    let endless: Vec<_> = (0..32).map(|i| (START + i * 8, header(8, 2, START + i * 8))).collect();
    assert_eq!(recover(START, START, &endless), Err(fault));
    let memory = memory();
    assert_eq!(walk(&memory, place(CAPACITY), SALT, 12, |_| {}), Err(Fault::Start { position: 12 }));
}

#[test]
fn a_consumers_own_line_is_not_trusted() {
    let resume = |head, seen| {
        let memory = memory();
        memory.store(place(CAPACITY).consumer + control_word::HEAD, head);
        memory.store(place(CAPACITY).consumer + control_word::SEEN, seen);
        Consumer::resume(memory, place(CAPACITY), SALT).map(|consumer| consumer.position())
    };
    assert_eq!(resume(START, START), Ok(START));
    assert_eq!(resume(START, START + CAPACITY), Ok(START));
    assert_eq!(resume(START + 2, START), Err(Fault::HeadUnaligned { head: START + 2 }));
    for seen in [START - 8, START + 4, START + CAPACITY + 8, 0, u64::MAX - 7] {
        assert_eq!(resume(START, seen), Err(Fault::Seen { seen, head: START }));
    }
}

#[test]
fn of_the_marks_of_two_versions_the_one_further_on_counts() {
    let handed_over = |mark, of_1_0| {
        let memory = memory();
        memory.store(place(CAPACITY).consumer + control_word::SEEN, mark);
        memory.store(place(CAPACITY).consumer + control_word::SEEN_IN_1_0, of_1_0);
        handed_over(&memory, place(CAPACITY), START)
    };
    assert_eq!(handed_over(START + 16, START + 8), Ok(START + 16));
    assert_eq!(handed_over(START + 8, START + 16), Ok(START + 16));
    assert_eq!(handed_over(0, START + 16), Ok(START + 16));
    assert_eq!(handed_over(START + 8, START - 8), Ok(START + 8), "a mark of long ago");
    assert_eq!(handed_over(START + 8, START + 12), Ok(START + 8));
    assert_eq!(handed_over(START - 8, START + CAPACITY + 8), Err(START - 8));
}

#[test]
fn impossible_starts_are_faults_and_store_nothing() {
    let memory = memory();
    let mut producer = Producer::start(memory.clone(), place(CAPACITY), SALT, 12);
    let fault = Fault::Start { position: 12 };
    assert_eq!(producer.push(2, Class::Control, &[]), Err(PushError::Fault(fault)));
    producer.flush();
    let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), SALT, 12, 12);
    assert_eq!(consumer.peek(), Err(fault));
    let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), SALT, START, START - 8);
    assert_eq!(consumer.peek(), Err(Fault::Seen { seen: START - 8, head: START }));
    consumer.release();
    assert_eq!(memory.stores(), 0);
}

#[test]
fn a_second_writer_is_found_before_the_first_record() {
    let memory = memory();
    let mut producer = Producer::start(memory.clone(), place(CAPACITY), SALT, START);
    memory.store(data(START), 77);
    let stores = memory.stores();
    producer.prepare();
    assert_eq!(memory.stores(), stores, "what comes first is not known");
    let fault = Fault::Occupied { position: START, header: 77 };
    assert_eq!(producer.push(2, Class::Control, &[]), Err(PushError::Fault(fault)));
    assert_eq!(memory.load(data(START)), 77, "its record is left alone");
}

#[test]
fn a_hint_without_records_shows() {
    let memory = memory();
    let mut consumer = Consumer::start(memory.clone(), place(CAPACITY), SALT, START, START);
    let hint = |value| memory.store(place(CAPACITY).producer + control_word::HINT, value);
    for (value, behind) in [(START, false), (START + 8, true), (START - 8, false), (START + 4096, true)] {
        hint(value);
        assert_eq!((consumer.peek(), consumer.is_behind_hint()), (Ok(None), behind), "hint {value}");
    }
    memory.store(data(START), header(8, 2, START));
    assert!(!consumer.is_behind_hint());
}

/// A word as a peer might write it to do harm: mostly close to what is right.
fn harmful(random: &mut Random) -> u64 {
    let position = START + random.below(2 * CAPACITY) / 8 * 8;
    match random.below(6) {
        0 => random.word(),
        1 => 0,
        2 => position + u64::from(random.once_in(2)),
        3 => START.wrapping_sub(random.below(3) * 8),
        _ => {
            let kind = random.pick(&[0, 1, 1, 2, 200]);
            header(random.below(80) * random.pick(&[1, 8, 8]), kind, position)
        }
    }
}

/// Uses every operation of both ends, as a program would that does not look at faults.
fn exercise<M: Memory + Clone>(memory: &M, random: &mut Random) {
    let place = place(CAPACITY);
    let mut buffer = [0; 256];
    let mut visited = 0;
    let _ = walk(memory, place, SALT, START, |_| visited += 1);
    assert!(visited < CAPACITY / 8, "{visited} records in a ring of {CAPACITY} bytes");
    let mut consumers = [
        Consumer::start(memory.clone(), place, SALT, START, START),
        Consumer::resume(memory.clone(), place, SALT)
            .unwrap_or_else(|_| Consumer::start(memory.clone(), place, SALT, START, START)),
    ];
    for consumer in &mut consumers {
        for _ in 0..40 {
            if let Ok(Some(record)) = consumer.peek() {
                assert!(record.length() <= 120 && record.kind() > PADDING);
                consumer.copy_out(&record, 0, &mut buffer[..record.length()]);
            }
            consumer.is_behind_hint();
            consumer.commit();
        }
        consumer.release();
    }
    let recovered = Producer::recover(memory.clone(), place, SALT);
    let started = Producer::start(memory.clone(), place, SALT, START);
    for mut producer in [recovered, Ok(started)].into_iter().flatten() {
        for _ in 0..10 {
            let class = random.pick(&[Class::Control, Class::Message, Class::Bulk]);
            let length = usize::try_from(random.below(40)).unwrap();
            let _ = producer.push(2, class, &[&buffer[..length]]);
            let _ = producer.used();
            producer.flush();
        }
    }
}

#[test]
fn random_words_everywhere() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let memory = memory();
        for at in (0..memory.size()).step_by(8) {
            memory.store(at, harmful(&mut random));
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| exercise(&memory, &mut random)));
        assert!(outcome.is_ok(), "panic with seed {seed}");
    }
}

#[test]
fn words_that_change_all_the_time() {
    let memory = HeapMemory::new(size(CAPACITY));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(1);
            while !done.load(Relaxed) {
                memory.store(random.below(memory.size() / 8) * 8, harmful(&mut random));
            }
        });
        let mut random = Random(2);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..5_000 {
                exercise(&memory, &mut random);
            }
        }));
        done.store(true, Relaxed);
        assert!(outcome.is_ok(), "panic");
    });
}
