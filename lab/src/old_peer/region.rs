//! Where things lie in a region, and the superblock that says so.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ivring_proto::memory::{MappedFile, Memory as _};

use crate::Error;

/// Version 1.0, the only one.
pub(super) const VERSION: u64 = 0x1_0000;
/// The word of the versions 1.0 to 1.0.
pub(super) const VERSIONS: u64 = VERSION << 32 | VERSION;
/// The magic as a word.
pub(super) const MAGIC: u64 = 0x0100_676e_6972_7669;

/// A mapped region with the geometry of its superblock in private memory.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) map: MappedFile,
    pub(super) channels: u64,
    pub(super) to_host: u64,
    pub(super) to_guest: u64,
    pub(super) generation: u64,
    pub(super) status: u64,
    pub(super) cells: u64,
    directory: u64,
    host_control: u64,
    guest_control: u64,
    rings: u64,
}

/// Offsets of one channel's parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) entry: u64,
    pub(super) host: u64,
    pub(super) guest: u64,
    pub(super) to_host: u64,
    pub(super) to_guest: u64,
}

/// Maps the whole of a file.
pub(super) fn map(path: &Path) -> Result<(File, MappedFile), Error> {
    let error = || Error::io(format!("cannot map {}", path.display()));
    let file = File::options().read(true).write(true).open(path).map_err(error())?;
    let length = file.metadata().map_err(error())?.len();
    let map = MappedFile::map(&file, length).map_err(error())?;
    Ok((file, map))
}

impl Region {
    /// Reads the superblock; `None` while the region is not READY.
    pub(super) fn read(map: &MappedFile) -> Result<Option<Self>, Error> {
        if map.load_acquire(8) != 2 {
            return Ok(None);
        }
        let word = |at| map.load(at);
        let region = Self {
            map: map.clone(),
            channels: word(48),
            to_host: word(56),
            to_guest: word(64),
            status: word(72),
            cells: word(80),
            directory: word(88),
            host_control: word(96),
            guest_control: word(104),
            rings: word(112),
            generation: word(120),
        };
        let (minimum, maximum) = (word(16) & 0xffff_ffff, word(16) >> 32);
        let rings = region.channels * (region.to_host + region.to_guest);
        let areas = [
            (0, 4096),
            (region.status, 4096),
            (region.cells, 4096),
            (region.directory, 128 * region.channels),
            (region.host_control, 512 * region.channels),
            (region.guest_control, 512 * region.channels),
            (region.rings, rings),
            (map.size(), 0),
        ];
        let right = word(0) == MAGIC
            && minimum <= VERSION
            && maximum >= VERSION
            && word(24) == 0
            && word(40) == map.size()
            && (1..=255).contains(&region.channels)
            && areas.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0)
            && areas.iter().all(|area| area.0.is_multiple_of(4096));
        if right {
            Ok(Some(region))
        } else {
            Err(wrong(format!("no superblock for 1.0, versions {:#x}: {areas:x?}", word(16))))
        }
    }

    /// Where a channel lies.
    pub(super) fn place(&self, channel: u64) -> Place {
        let to_host = self.rings + channel * (self.to_host + self.to_guest);
        Place {
            entry: self.directory + 128 * channel,
            host: self.host_control + 512 * channel,
            guest: self.guest_control + 512 * channel,
            to_host,
            to_guest: to_host + self.to_host,
        }
    }

    /// `N` bytes.
    pub(super) fn bytes<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.map.copy_out(at, &mut bytes);
        bytes
    }
}

/// A name, NUL padded to `N` bytes.
pub(super) fn padded<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// A NUL padded name.
pub(super) fn text(bytes: &[u8]) -> String {
    let length = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// A number from the kernel's generator, never 0.
pub(super) fn random() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    let mut source = File::open("/dev/urandom").map_err(Error::io("cannot open /dev/urandom"))?;
    source.read_exact(&mut bytes).map_err(Error::io("cannot read /dev/urandom"))?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

/// What is not as 1.0 has it.
pub(super) fn wrong(what: impl Into<String>) -> Error {
    Error::Failed(what.into())
}
