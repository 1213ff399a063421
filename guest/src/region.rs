//! The region in a guest's hands: where it is, mapped, and whether its file is still the same.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ivring_proto::layout::Geometry;
use ivring_proto::memory::{MemoryType, MixedMapping, Probe};

use crate::bar::BarError;
use crate::device_memory::DeviceMemory;
use crate::discover::{DiscoverError, discover};
use crate::memory_type::{MappedAs, MemoryChoice, Reason};
use crate::options::Options;
use crate::pci::Address;

/// Why the region can't be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// No device.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The region's file can't be used.
    #[error("can't use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The region's file has an impossible size.
    #[error(
        "{} has {size} bytes, which no region has: a power of two from {}; is it the file that ivringd serves?",
        path.display(),
        Geometry::MIN_SIZE
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl MapError {
    /// The exit code of a command that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Discover(error) => error.exit_code(),
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
            Self::File { source, .. } if source.kind() == io::ErrorKind::IsADirectory => 4,
            Self::File { .. } => 5,
            Self::Size { .. } => 4,
        }
    }
}

/// Where the region is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file of this machine.
    File(PathBuf),
    /// In the memory of a PCI device.
    Device(Address),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Device(address) => address.fmt(f),
        }
    }
}

/// The mapped region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) memory: MixedMapping,
    pub(crate) place: Place,
    /// Bytes of all of it; the first page alone may be mapped.
    pub(crate) size: u64,
    pub(crate) mapped_as: MappedAs,
    source: Source,
}

/// What is mapped.
#[derive(Debug)]
enum Source {
    /// A file, by its device and inode number.
    File {
        device: u64,
        inode: u64,
    },
    Device(Box<DeviceMemory>),
}

impl Region {
    /// Finds the region that the options mean and maps it.
    pub(crate) fn map(options: &Options) -> Result<Self, MapError> {
        if let Some(path) = &options.region {
            return Self::map_file(path, options.memory_type);
        }
        let bar = discover(&options.root, options.pci)?;
        let memory = DeviceMemory::map(bar, options.memory_type, Probe::of);
        Ok(Self::of_device(memory.map_err(DiscoverError::from)?))
    }

    fn of_device(memory: DeviceMemory) -> Self {
        Region {
            memory: memory.mapping().clone(),
            place: Place::Device(memory.bar().device().address()),
            size: memory.bar().size(),
            mapped_as: *memory.mapped_as(),
            source: Source::Device(Box::new(memory)),
        }
    }

    fn map_file(path: &Path, choice: MemoryChoice) -> Result<Self, MapError> {
        let failed = |source| MapError::File { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let size = metadata.len();
        if size < Geometry::MIN_SIZE || !size.is_power_of_two() {
            return Err(MapError::Size { path: path.to_owned(), size });
        }
        let (memory_type, reason) = match choice {
            MemoryChoice::Auto => (MemoryType::WriteBack, Reason::File),
            MemoryChoice::WriteBack => (MemoryType::WriteBack, Reason::Option),
            MemoryChoice::Uncached => (MemoryType::Uncached, Reason::Option),
            MemoryChoice::WriteCombining => (MemoryType::WriteCombining, Reason::Option),
        };
        Ok(Region {
            memory: MixedMapping::whole(&file, size, memory_type).map_err(failed)?,
            place: Place::File(path.to_owned()),
            size,
            mapped_as: MappedAs { memory_type, reason, probe: None },
            source: Source::File { device: metadata.dev(), inode: metadata.ino() },
        })
    }

    /// The region that has taken this one's place, when its path leads to another file by now.
    ///
    /// `None` as well while there is no file, or none that can be mapped yet: what is mapped is as good as ever.
    pub(crate) fn successor(&self, options: &Options) -> Option<Region> {
        let (Place::File(path), Source::File { device, inode }) = (&self.place, &self.source) else {
            return None;
        };
        let found = fs::metadata(path).ok()?;
        if (found.dev(), found.ino()) == (*device, *inode) {
            return None;
        }
        Self::map_file(path, options.memory_type).ok()
    }

    /// The same region mapped anew, when its rings begin elsewhere than they did: see [`DeviceMemory::reshaped`].
    pub(crate) fn reshaped(&self) -> Result<Option<Region>, BarError> {
        let Source::Device(memory) = &self.source else { return Ok(None) };
        Ok(memory.reshaped()?.map(Self::of_device))
    }
}
