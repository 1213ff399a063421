//! A superblock of any content, and a guest that joins by it.
//!
//! The input: how much is mapped, whether the first page begins valid, bytes over it, and words stored into it, some of them
//! while it is read. What is accepted describes areas that lie inside the mapping, in their order, and no two of which
//! overlap; each word was read once; and a guest that goes by it stores nowhere but in the areas that are guests'.

#[cfg(test)]
mod seeds;

use std::ops::Range;
use std::time::Duration;

use ivring_proto::layout::{
    Geometry, PAGE, RegionState, Superblock, SuperblockError, cell_word, control_word, entry_word,
    read_superblock, write_state, write_superblock,
};
use ivring_proto::link::{GuestEnd, GuestOptions};
use ivring_proto::session::{Identity, Port, Text, Uuid};

use ivring_proto::memory::Memory;

use crate::memory::Mapping;
use crate::{Input, lies, territory};

/// Largest region in which a guest joins, in bytes: what it stores is kept by pages.
const LARGEST_JOINED: u64 = 64 << 20;
/// Words of the superblock that mean something, by the bytes they end at.
const MEANT: u16 = 384;
/// Accesses that reading a superblock may take, and that a look at a region may.
const TO_READ: u64 = 64;
const TO_JOIN: u64 = 4_000;

/// How far an input came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// What was read.
    pub superblock: Option<Superblock>,
    /// Why nothing was.
    pub refused: Option<SuperblockError>,
    /// Events that a guest had that joined by it.
    pub events: u32,
    /// Words that this guest stored.
    pub stored: u64,
}

/// Runs an input.
///
/// # Panics
///
/// When something does not hold.
pub fn run(input: &[u8]) -> Reached {
    let mut input = Input::new(input);
    let size = match input.byte() {
        shift @ 0..=44 => 1 << shift.max(3),
        45 => 0,
        _ => input.word() & !7,
    };
    let memory = Mapping::new(size);
    begin(&mut input, &memory);
    let changed = scribble(&mut input, &memory);
    let mut reached = Reached::default();
    memory.allow(TO_READ);
    match read_superblock(&memory) {
        Err(error) => reached.refused = Some(error),
        Ok(superblock) => {
            reached.superblock = Some(superblock);
            check(&superblock, size);
            if !changed {
                memory.allow(TO_READ);
                assert_eq!(read_superblock(&memory), Ok(superblock), "read twice");
            }
            written_and_read(&superblock);
            join(&mut input, &memory, &superblock, &mut reached);
        }
    }
    reached
}

/// A valid superblock, or none, and bytes of the input over it.
fn begin(input: &mut Input<'_>, memory: &Mapping) {
    let (size, valid) = (memory.size(), input.once_in(2));
    let channels = u64::from(input.byte());
    if valid && let Ok(geometry) = Geometry::new(size, channels) {
        let superblock = Superblock::new(geometry, [input.byte(); 16], "fuzz");
        // The rest of a region that is formatted is zero, as this one is.
        write_superblock(memory, &superblock);
        write_state(memory, RegionState::Ready, "");
    }
    let length = usize::from(input.short() % MEANT);
    let bytes = input.bytes(length);
    if size >= PAGE {
        for (at, bytes) in (0..).step_by(8).zip(bytes.chunks(8)) {
            memory.scribble(at, Input::new(bytes).word());
        }
    }
}

/// Words over what is there, and some that come while it is read. Says whether there are such.
fn scribble(input: &mut Input<'_>, memory: &Mapping) -> bool {
    let mut changed = false;
    if memory.size() < PAGE {
        return changed;
    }
    for _ in 0..input.byte() % 8 {
        let at = u64::from(input.short() % MEANT) / 8 * 8;
        let loads = u32::from(input.byte());
        let value = lies::word(input, memory.look(at));
        // Most of reading is over after thirty loads.
        if loads < 32 {
            memory.change_after(loads, at, value);
            changed = true;
        } else {
            memory.scribble(at, value);
        }
    }
    changed
}

/// Every place that a geometry gives away is inside, aligned, and nobody else's.
fn check(superblock: &Superblock, size: u64) {
    let geometry = &superblock.geometry;
    assert_eq!(geometry.size(), size, "not the mapping's size");
    assert!((1..=Geometry::MAX_CHANNELS).contains(&geometry.channels()));
    let mut areas: Vec<Range<u64>> = vec![0..PAGE, geometry.status()..geometry.status() + PAGE];
    for index in 0..cell_word::COUNT {
        let cell = geometry.cell(index).expect("one of the cells");
        areas.push(cell..cell + cell_word::SIZE);
        let answer = geometry.answer(index).expect("one of the answers");
        assert!(geometry.status() < answer && answer + 128 <= geometry.status() + PAGE);
    }
    for index in 0..geometry.channels() {
        let place = geometry.channel(index).expect("one of the channels");
        areas.push(place.entry..place.entry + entry_word::SIZE);
        areas.push(place.host_control..place.host_control + control_word::SIZE);
        areas.push(place.guest_control..place.guest_control + control_word::SIZE);
        for ring in [place.to_host, place.to_guest] {
            areas.push(ring.data..ring.data + ring.capacity);
        }
    }
    assert_eq!((geometry.channel(geometry.channels()), geometry.cell(cell_word::COUNT)), (None, None));
    areas.sort_by_key(|area| area.start);
    assert!(areas.iter().all(|area| area.start % 128 == 0 && area.start < area.end && area.end <= size));
    assert!(areas.windows(2).all(|pair| pair[0].end <= pair[1].start), "areas overlap");
}

/// What was read is written and read as itself.
fn written_and_read(superblock: &Superblock) {
    let memory = Mapping::new(superblock.geometry.size());
    write_superblock(&memory, superblock);
    assert_eq!(read_superblock(&memory), Err(SuperblockError::Init));
    write_state(&memory, RegionState::Ready, "why");
    let expected = Superblock { state: RegionState::Ready, ..*superblock };
    assert_eq!(read_superblock(&memory), Ok(expected));
}

/// A guest goes by whatever stands in the region.
fn join(input: &mut Input<'_>, memory: &Mapping, superblock: &Superblock, reached: &mut Reached) {
    let geometry = superblock.geometry;
    if geometry.size() > LARGEST_JOINED {
        return;
    }
    let guest_memory = memory.side();
    guest_memory.confine(territory::of_guests(&geometry));
    let options = GuestOptions {
        identity: Identity { uuid: Uuid::from_u128(1), port: Port::agent() },
        boot: Uuid::from_u128(2),
        name: Text::EMPTY,
        stale_after: Duration::from_secs(5),
    };
    let mut guest = GuestEnd::new(guest_memory.clone(), options);
    let (mut now, mut dice) = (Duration::from_secs(1), u64::from(input.byte()));
    for _ in 0..8 {
        guest_memory.allow(TO_JOIN);
        now += Duration::from_millis(25);
        dice += 1;
        reached.events += u32::from(guest.poll(now, &mut || dice).is_some());
    }
    guest.bye();
    reached.stored = guest_memory.stores();
}
