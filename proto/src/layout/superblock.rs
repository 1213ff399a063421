//! The first page of a region: what it is, for ever readable by every version.

use super::geometry::{Geometry, GeometryError};
use super::{PAGE, superblock_word as word};
use crate::memory::Memory;
use crate::session::Text;

/// First word of every region, `ivring`, a zero byte and the superblock's own format number 1.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ivring\0\x01");

/// A protocol version: the layout changes incompatibly with `major`, compatibly with `minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Version {
    /// Incompatible changes.
    pub major: u16,
    /// Compatible additions.
    pub minor: u16,
}

impl Version {
    /// What this crate speaks.
    pub const CURRENT: Version = Version { major: 1, minor: 1 };
    /// The first in which messages can go in fragments.
    pub const WITH_FRAGMENTS: Version = Version { major: 1, minor: 1 };

    /// As a number that keeps the order.
    pub const fn to_bits(self) -> u32 {
        (self.major as u32) << 16 | self.minor as u32
    }

    /// The reverse of [`to_bits`](Self::to_bits).
    pub const fn from_bits(bits: u32) -> Self {
        let [a, b, c, d] = bits.to_le_bytes();
        Version { major: u16::from_le_bytes([c, d]), minor: u16::from_le_bytes([a, b]) }
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The versions one side can speak, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct VersionRange {
    /// Oldest.
    pub min: Version,
    /// Newest.
    pub max: Version,
}

impl VersionRange {
    /// What this crate speaks.
    pub const SUPPORTED: VersionRange =
        VersionRange { min: Version { major: 1, minor: 0 }, max: Version::CURRENT };

    /// The newest version both can speak.
    pub fn common(self, other: Self) -> Option<Version> {
        let newest = self.max.min(other.max);
        (newest >= self.min && newest >= other.min).then_some(newest)
    }

    /// Whether one side can speak this version.
    pub fn contains(self, version: Version) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// As one word: minimum in the low half, maximum in the high half.
    pub const fn to_word(self) -> u64 {
        self.min.to_bits() as u64 | (self.max.to_bits() as u64) << 32
    }

    /// The reverse of [`to_word`](Self::to_word).
    pub const fn from_word(word: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        VersionRange {
            min: Version::from_bits(u32::from_le_bytes([a, b, c, d])),
            max: Version::from_bits(u32::from_le_bytes([e, f, g, h])),
        }
    }
}

impl core::fmt::Display for VersionRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.max)
        } else {
            write!(f, "{} to {}", self.min, self.max)
        }
    }
}

/// What the state word of a region says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionState {
    /// Being formatted; wait.
    Init,
    /// In use.
    Ready,
    /// About to be formatted anew: say good-bye, detach, wait for READY and a new generation.
    Closing,
}

impl RegionState {
    const fn to_word(self) -> u64 {
        match self {
            RegionState::Init => 1,
            RegionState::Ready => 2,
            RegionState::Closing => 3,
        }
    }

    const fn from_word(word: u64) -> Option<Self> {
        match word & 0xff {
            1 => Some(RegionState::Init),
            2 => Some(RegionState::Ready),
            3 => Some(RegionState::Closing),
            _ => None,
        }
    }
}

/// Why a region cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SuperblockError {
    /// Nobody has formatted the region yet.
    #[error("the region is not formatted yet: start ivringd on the host")]
    Empty,
    /// The first word is something else.
    #[error("this is no ivring region: magic {magic:#018x} instead of {MAGIC:#018x}")]
    Magic {
        /// The word found.
        magic: u64,
    },
    /// The host is formatting it, or died while it did.
    #[error("the region is being formatted; wait for ivringd")]
    Init,
    /// The state word has no known value.
    #[error("region state {state:#x} is unknown: the superblock is damaged")]
    State {
        /// The word found.
        state: u64,
    },
    /// Written by a version with which this one has nothing in common.
    #[error("the region speaks ivring {found}, this program {supported}: install a matching version")]
    Version {
        /// Versions in the superblock.
        found: VersionRange,
        /// Versions of this program.
        supported: VersionRange,
    },
    /// The region demands features this program does not know.
    #[error(
        "the region requires features {bits:#x} that this program does not know: install a newer version"
    )]
    Features {
        /// The unknown bits.
        bits: u64,
    },
    /// The mapping is not as large as the superblock says.
    #[error("the superblock says {said} bytes and the mapping has {mapped}: give both sides the same size")]
    Size {
        /// Size in the superblock.
        said: u64,
        /// Size of the mapping.
        mapped: u64,
    },
    /// Offsets or sizes that cannot be.
    #[error("the superblock's geometry is impossible: {0}")]
    Geometry(#[from] GeometryError),
}

/// A superblock as read once, checked, and kept in private memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// State when it was read.
    pub state: RegionState,
    /// Versions the host serves.
    pub versions: VersionRange,
    /// Feature bits a guest must know.
    pub features_required: u64,
    /// Feature bits a guest may use.
    pub features_optional: u64,
    /// Sizes and offsets.
    pub geometry: Geometry,
    /// Counts the formats of this region, from 1.
    pub generation: u64,
    /// UUID of the only VM that may join; zero when any may.
    pub owner: [u8; 16],
    /// The region's name.
    pub name: Text<{ word::NAME_LEN }>,
}

impl Superblock {
    /// What a host of this version writes into a region that it formats for the first time.
    pub fn new(geometry: Geometry, owner: [u8; 16], name: &str) -> Self {
        Superblock {
            state: RegionState::Ready,
            versions: VersionRange::SUPPORTED,
            features_required: 0,
            features_optional: 0,
            geometry,
            generation: 1,
            owner,
            name: Text::truncated(name),
        }
    }
}

/// Feature bits this crate knows: none yet.
const KNOWN_FEATURES: u64 = 0;

/// Reads and checks the superblock.
///
/// Each word is read once. A region in state CLOSING is returned as such.
///
/// # Errors
///
/// See [`SuperblockError`]; nothing else of the region may be used then.
pub fn read_superblock<M: Memory>(memory: &M) -> Result<Superblock, SuperblockError> {
    read_superblock_of(memory, memory.size())
}

/// As [`read_superblock`], of a region of `mapped` bytes of which `memory` may be the first page alone.
///
/// # Errors
///
/// See [`SuperblockError`]; nothing else of the region may be used then.
pub fn read_superblock_of<M: Memory>(memory: &M, mapped: u64) -> Result<Superblock, SuperblockError> {
    if memory.size() < PAGE {
        return Err(SuperblockError::Size { said: PAGE, mapped: memory.size() });
    }
    // EDGE region-ready (pairs with write_state): what was stored before READY is visible after it was loaded.
    let state_word = memory.load_acquire(word::STATE);
    memory.after_ready();
    let magic = memory.load(word::MAGIC);
    match (magic, state_word) {
        (0, 0) => return Err(SuperblockError::Empty),
        // Between the first store of a format and the last, in whatever order they are seen.
        (0 | MAGIC, 0 | 1) => return Err(SuperblockError::Init),
        (MAGIC, _) => {}
        _ => return Err(SuperblockError::Magic { magic }),
    }
    let state = RegionState::from_word(state_word).ok_or(SuperblockError::State { state: state_word })?;
    let versions = VersionRange::from_word(memory.load(word::VERSIONS));
    if VersionRange::SUPPORTED.common(versions).is_none() {
        return Err(SuperblockError::Version { found: versions, supported: VersionRange::SUPPORTED });
    }
    let features_required = memory.load(word::FEATURES_REQUIRED);
    if features_required & !KNOWN_FEATURES != 0 {
        return Err(SuperblockError::Features { bits: features_required & !KNOWN_FEATURES });
    }
    let geometry = Geometry {
        size: memory.load(word::SIZE),
        channels: memory.load(word::CHANNELS),
        to_host: memory.load(word::TO_HOST),
        to_guest: memory.load(word::TO_GUEST),
        status: memory.load(word::STATUS),
        cells: memory.load(word::CELLS),
        directory: memory.load(word::DIRECTORY),
        host_control: memory.load(word::HOST_CONTROL),
        guest_control: memory.load(word::GUEST_CONTROL),
        rings: memory.load(word::RINGS),
    };
    geometry.check()?;
    if geometry.size != mapped {
        return Err(SuperblockError::Size { said: geometry.size, mapped });
    }
    let mut owner = [0; 16];
    memory.copy_out(word::OWNER, &mut owner);
    Ok(Superblock {
        state,
        versions,
        features_required,
        features_optional: memory.load(word::FEATURES_OPTIONAL),
        geometry,
        generation: memory.load(word::GENERATION),
        owner,
        name: Text::read(memory, word::NAME),
    })
}

/// Formats the superblock: INIT, every word, and the caller then zeroes and fills the rest and stores READY with
/// [`write_state`]. Only the host calls it, holding the region's lock.
pub fn write_superblock<M: Memory>(memory: &M, superblock: &Superblock) {
    // First of all: a host that dies in the middle must leave a file that the next one knows as its own.
    memory.store(word::MAGIC, MAGIC);
    write_state(memory, RegionState::Init, "");
    for (at, value) in words(superblock) {
        memory.store(at, value);
    }
}

/// Every word of a superblock but its state: offset and value.
fn words(superblock: &Superblock) -> impl Iterator<Item = (u64, u64)> {
    let geometry = &superblock.geometry;
    let numbers = [
        (word::MAGIC, MAGIC),
        (word::VERSIONS, superblock.versions.to_word()),
        (word::FEATURES_REQUIRED, superblock.features_required),
        (word::FEATURES_OPTIONAL, superblock.features_optional),
        (word::SIZE, geometry.size),
        (word::CHANNELS, geometry.channels),
        (word::TO_HOST, geometry.to_host),
        (word::TO_GUEST, geometry.to_guest),
        (word::STATUS, geometry.status),
        (word::CELLS, geometry.cells),
        (word::DIRECTORY, geometry.directory),
        (word::HOST_CONTROL, geometry.host_control),
        (word::GUEST_CONTROL, geometry.guest_control),
        (word::RINGS, geometry.rings),
        (word::GENERATION, superblock.generation),
    ];
    let owner = words_of(word::OWNER, superblock.owner);
    let name = words_of(word::NAME, *superblock.name.as_bytes());
    numbers.into_iter().chain(owner).chain(name)
}

/// Bytes that lie at `at`, as words; a multiple of 8 of them.
fn words_of<const N: usize>(at: u64, bytes: [u8; N]) -> impl Iterator<Item = (u64, u64)> {
    (0..N / 8).map(move |index| {
        let word = core::array::from_fn(|byte| bytes[index * 8 + byte]);
        (at + index as u64 * 8, u64::from_le_bytes(word))
    })
}

/// A word that is not what its only writer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the word at {at} of the superblock reads {found:#018x} and {written:#018x} was written: a guest writes there"
)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct WrongWord {
    /// Where it lies in the superblock, in bytes.
    pub at: u64,
    /// What it says now.
    pub found: u64,
    /// What the host wrote.
    pub written: u64,
}

/// Writes those words of the superblock anew that are not as the host wrote them, the state last, and returns the first of
/// them. Guests that join meanwhile check what they read; only the host calls it.
pub fn mend_superblock<M: Memory>(memory: &M, superblock: &Superblock) -> Option<WrongWord> {
    let wrong = |(at, written)| {
        let found = memory.load(at);
        (found != written).then_some(WrongWord { at, found, written })
    };
    let mut first = None;
    for word in words(superblock).filter_map(wrong) {
        memory.store(word.at, word.written);
        first = first.or(Some(word));
    }
    if let Some(word) = wrong((word::STATE, superblock.state.to_word())) {
        write_state(memory, superblock.state, "");
        first = first.or(Some(word));
    } else if first.is_some() {
        memory.after_publish();
    }
    first
}

/// Stores which versions the host speaks, where another host made the region. Guests that join read it.
pub fn write_versions<M: Memory>(memory: &M, versions: VersionRange) {
    memory.store(word::VERSIONS, versions.to_word());
    memory.after_publish();
}

/// Stores the region's state, after everything stored before it, with a reason for people.
pub fn write_state<M: Memory>(memory: &M, state: RegionState, reason: &str) {
    Text::<{ word::REASON_TEXT_LEN }>::truncated(reason).write(memory, word::REASON_TEXT);
    memory.before_publish();
    // EDGE region-ready (pairs with read_superblock).
    memory.store_release(word::STATE, state.to_word());
    memory.after_publish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "std")]
    fn every_wrong_word_is_written_anew_and_the_first_is_named() {
        let memory = crate::memory::HeapMemory::new(1 << 20);
        let geometry = Geometry::new(1 << 20, 2).expect("it fits");
        let superblock = Superblock::new(geometry, [7; 16], "scratch");
        write_superblock(&memory, &superblock);
        write_state(&memory, RegionState::Ready, "");
        assert_eq!(mend_superblock(&memory, &superblock), None);
        let places: [u64; 26] = core::array::from_fn(|index| index as u64 * 8);
        for at in places {
            let written = memory.load(at);
            memory.store(at, !written);
            let found = WrongWord { at, found: !written, written };
            assert_eq!(mend_superblock(&memory, &superblock), Some(found));
            assert_eq!(read_superblock(&memory), Ok(superblock));
        }
        for at in places {
            memory.store(at, 0);
        }
        let first = mend_superblock(&memory, &superblock).expect("all are wrong");
        assert_eq!((first.at, first.found), (word::MAGIC, 0));
        assert_eq!(read_superblock(&memory), Ok(superblock));
        assert_eq!(mend_superblock(&memory, &superblock), None);
    }

    #[test]
    fn versions_keep_their_order_and_survive_the_word() {
        let old = Version { major: 1, minor: 9 };
        let new = Version { major: 2, minor: 0 };
        assert!(old < new && old.to_bits() < new.to_bits());
        assert_eq!(Version::from_bits(old.to_bits()), old);
        let range = VersionRange { min: old, max: new };
        assert_eq!(VersionRange::from_word(range.to_word()), range);
    }

    #[test]
    fn a_host_killed_while_formatting_leaves_its_own_magic() {
        use crate::memory::CrashMemory;
        const SIZE: u64 = 1 << 20;
        let superblock = Superblock {
            state: RegionState::Ready,
            versions: VersionRange::SUPPORTED,
            features_required: 0,
            features_optional: 0,
            geometry: Geometry::new(SIZE, 1).expect("fits"),
            generation: 1,
            owner: [0xaa; 16],
            name: Text::truncated("fg_i3"),
        };
        for stores in 0.. {
            let memory = CrashMemory::new(1 << 20);
            memory.kill_after(stores);
            let outcome = CrashMemory::run(|| {
                write_superblock(&memory, &superblock);
                write_state(&memory, RegionState::Ready, "");
            });
            let memory = memory.process();
            match (outcome, read_superblock(&memory)) {
                (Ok(()), read) => return assert_eq!(read, Ok(superblock)),
                (Err(_), Err(SuperblockError::Empty)) => {
                    assert!(
                        (0..SIZE).step_by(8).all(|at| memory.load(at) == 0),
                        "not empty after {stores} stores"
                    );
                }
                (Err(_), read) => {
                    assert_eq!(read, Err(SuperblockError::Init), "after {stores} stores");
                    assert_eq!(memory.load(word::MAGIC), MAGIC, "after {stores} stores");
                }
            }
        }
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        let v = |minor| Version { major: 1, minor };
        let range = |min, max| VersionRange { min: v(min), max: v(max) };
        assert_eq!(range(0, 3).common(range(1, 2)), Some(v(2)));
        assert_eq!(range(0, 1).common(range(1, 5)), Some(v(1)));
        assert_eq!(range(0, 1).common(range(2, 5)), None);
    }
}
