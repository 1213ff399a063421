//! What a scribbler writes: from noise to words that are nearly right.

use fastrand::Rng;
use ivring_proto::layout::{
    ChannelPlace, Geometry, PAGE, VersionRange, cell_word, control_word, entry_word, status_word,
    superblock_word,
};
use ivring_proto::memory::Memory;
use ivring_proto::session::{Identity, JoinRequest, Port, Text, Uuid, write_request};
use serde::{Deserialize, Serialize};

/// A kind of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// Random words anywhere.
    Noise,
    /// Zeros, up to a page of them.
    Zeros,
    /// A piece of the region, put somewhere else.
    Moved,
    /// A page as it was a while ago.
    Rewound,
    /// A control word with a value near what it has, or at the ends of what it can have.
    Near,
    /// The header of a record with the right tag, where the next one is due, of any kind and length.
    Record,
    /// A request to join with a right checksum, of anybody.
    Request,
    /// A word of the superblock.
    Superblock,
}

/// All kinds.
const KINDS: [Garbage; 8] = [
    Garbage::Noise,
    Garbage::Zeros,
    Garbage::Moved,
    Garbage::Rewound,
    Garbage::Near,
    Garbage::Record,
    Garbage::Request,
    Garbage::Superblock,
];

/// Bytes that are put somewhere at once, at most: a page.
const PIECE: usize = 4096;
const _: () = assert!(PIECE as u64 == PAGE);

/// A page that was read a while ago, and where.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<(u64, Vec<u8>)>);

impl Garbage {
    pub(super) fn any(random: &mut Rng) -> Self {
        KINDS[random.usize(0..KINDS.len())]
    }

    /// Writes one piece of it; returns how many words that were.
    pub(super) fn write(
        self,
        memory: &impl Memory,
        geometry: &Geometry,
        kept: &mut Kept,
        random: &mut Rng,
    ) -> u64 {
        match self {
            Garbage::Noise => {
                memory.store(random.u64(0..memory.size() / 8) * 8, random.u64(..));
                1
            }
            Garbage::Zeros => piece(memory, random, |_, bytes| bytes.fill(0)),
            Garbage::Moved => {
                let from = random.u64(0..=(memory.size() - PAGE) / 8) * 8;
                piece(memory, random, |memory, bytes| memory.copy_out(from, bytes))
            }
            Garbage::Rewound => rewind(memory, geometry, kept, random),
            Garbage::Near => {
                let at = aimed(geometry, random);
                memory.store(at, near(memory.load(at), memory.load(aimed(geometry, random)), random));
                1
            }
            Garbage::Record => record(memory, &channel(geometry, random), random),
            Garbage::Request => request(memory, geometry, random),
            Garbage::Superblock => {
                let at = superblock_word::MAGIC + random.u64(0..=superblock_word::GENERATION / 8) * 8;
                memory.store(at, near(memory.load(at), random.u64(..), random));
                1
            }
        }
    }
}

fn piece<M: Memory>(memory: &M, random: &mut Rng, fill: impl FnOnce(&M, &mut [u8])) -> u64 {
    let mut bytes = [0; PIECE];
    let words = random.usize(1..=bytes.len() / 8);
    let bytes = &mut bytes[..words * 8];
    fill(memory, bytes);
    memory.copy_in(random.u64(0..=(memory.size() - bytes.len() as u64) / 8) * 8, bytes);
    words as u64
}

/// Puts the page back that was kept, and keeps another one, of those before the rings three times out of four.
fn rewind(memory: &impl Memory, geometry: &Geometry, kept: &mut Kept, random: &mut Rng) -> u64 {
    let mut words = 0;
    if let Some((at, bytes)) = &kept.0 {
        memory.copy_in(*at, bytes);
        words = bytes.len() as u64 / 8;
        if random.bool() {
            return words;
        }
    }
    let pages = if random.u8(0..4) > 0 { geometry.rings() } else { memory.size() } / PAGE;
    let at = random.u64(0..pages) * PAGE;
    let mut bytes = vec![0; PIECE];
    memory.copy_out(at, &mut bytes);
    kept.0 = Some((at, bytes));
    words
}

/// The place of a word that host or guest go by.
fn aimed(geometry: &Geometry, random: &mut Rng) -> u64 {
    let channel = channel(geometry, random);
    let word = random.u64(0..LINE_WORDS) * 8;
    let block = if random.bool() { channel.host_control } else { channel.guest_control };
    match random.u8(0..6) {
        0 => block + control_word::PRODUCER + word,
        1 => block + control_word::CONSUMER + if random.bool() { control_word::SEEN } else { word },
        2 => block + control_word::SESSION + word,
        3 => channel.entry + random.u64(0..entry_word::SIZE / 8) * 8,
        4 => {
            let words = [status_word::EPOCH, status_word::HEARTBEAT];
            geometry.status() + words[random.usize(0..words.len())]
        }
        _ => geometry.cell(random.u64(0..cell_word::COUNT)).unwrap_or_default() + word,
    }
}

/// The words at the beginning of a line that mean something.
const LINE_WORDS: u64 = 5;

fn channel(geometry: &Geometry, random: &mut Rng) -> ChannelPlace {
    geometry.channel(random.u64(0..geometry.channels())).expect("below the number of channels")
}

/// A word that may pass for another.
fn near(word: u64, other: u64, random: &mut Rng) -> u64 {
    match random.u8(0..8) {
        0 => 0,
        1 => u64::MAX,
        2 => word.wrapping_add(1),
        3 => word.wrapping_sub(8),
        4 => word.wrapping_add(8 * random.u64(0..1 << 16)),
        5 => word ^ 1 << random.u32(0..64),
        6 => other,
        _ => random.u64(..),
    }
}

/// A header where the ring's producer has its hint, or before.
fn record(memory: &impl Memory, channel: &ChannelPlace, random: &mut Rng) -> u64 {
    let (ring, salt) = if random.bool() {
        (channel.to_host, entry_word::SALT)
    } else {
        (channel.to_guest, entry_word::TO_GUEST_SALT)
    };
    let hint = memory.load(ring.producer + control_word::HINT);
    let position = hint.wrapping_sub(8 * random.u64(0..3)) & !7;
    let tag = ((position / 8) ^ memory.load(channel.entry + salt)) & 0xff_ffff;
    let length = match random.u8(0..4) {
        0 => random.u64(0..64),
        1 => ring.capacity - position % ring.capacity,
        2 => random.u64(0..ring.capacity),
        _ => random.u64(0..1 << 32),
    };
    let kind = random.u64(0..12);
    let at = ring.data + position % ring.capacity;
    // What an envelope would begin with, if there is room for it.
    let mut bytes = [0; 40];
    random.fill(&mut bytes);
    bytes[..8].copy_from_slice(&(length | kind << 32 | tag << 40).to_le_bytes());
    let room = usize::try_from(ring.data + ring.capacity - at).unwrap_or(usize::MAX);
    let bytes = &bytes[..room.min(bytes.len())];
    memory.copy_in(at, bytes);
    bytes.len() as u64 / 8
}

/// Anybody asks for a channel: a stranger, or somebody who has one.
fn request(memory: &impl Memory, geometry: &Geometry, random: &mut Rng) -> u64 {
    let entry = channel(geometry, random).entry;
    let mut uuid = [0; 16];
    let mut boot = [0; 16];
    random.fill(&mut uuid);
    random.fill(&mut boot);
    if random.bool() {
        memory.copy_out(entry + entry_word::UUID, &mut uuid);
    }
    if random.bool() {
        memory.copy_out(entry + entry_word::BOOT, &mut boot);
    }
    let name: String = (0..random.usize(0..40)).map(|_| random.char('\0'..'\u{500}')).collect();
    let request = JoinRequest {
        attempt: random.u64(1..),
        nonce: if random.u8(0..4) == 0 { memory.load(entry + entry_word::NONCE) } else { random.u64(1..) },
        identity: Identity { uuid: Uuid::from_bytes(uuid), port: Port::agent() },
        boot: Uuid::from_bytes(boot),
        versions: VersionRange::SUPPORTED,
        features_required: if random.u8(0..8) == 0 { random.u64(..) } else { 0 },
        features_optional: random.u64(..),
        name: Text::truncated(&name),
        second_writer: random.bool(),
    };
    let cell = geometry.cell(random.u64(0..cell_word::COUNT)).expect("below the number of cells");
    write_request(memory, cell, &request);
    cell_word::SIZE / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use ivring_proto::layout::Superblock;
    use ivring_proto::link::format_region;
    use ivring_proto::memory::HeapMemory;

    #[test]
    fn every_kind_changes_the_region_and_the_same_seed_does_the_same() {
        let geometry = Geometry::new(1 << 20, 3).unwrap();
        let write = |kind: Garbage| {
            let memory = HeapMemory::new(1 << 20);
            format_region(&memory, &Superblock::new(geometry, [0; 16], "scratch"));
            for at in (geometry.rings()..memory.size()).step_by(8) {
                memory.store(at, at);
            }
            let bytes = || {
                let mut bytes = vec![0; 1 << 20];
                memory.copy_out(0, &mut bytes);
                bytes
            };
            let (before, mut kept, mut random) = (bytes(), Kept::default(), Rng::with_seed(7));
            let words: u64 = (0..20)
                .map(|_| {
                    memory.store(geometry.rings(), random.u64(..));
                    kind.write(&memory, &geometry, &mut kept, &mut random)
                })
                .sum();
            assert!(words > 0, "{kind:?}");
            assert_ne!(bytes(), before, "{kind:?}");
            bytes()
        };
        for kind in KINDS {
            assert_eq!(write(kind), write(kind), "{kind:?}");
        }
    }
}
