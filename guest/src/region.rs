//! The region in a guest's hands: where it is, mapped, and whether its file is still the same.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ivring_proto::layout::Geometry;
use ivring_proto::memory::MappedFile;

use crate::discover::{DiscoverError, discover};
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
    pub(crate) memory: MappedFile,
    pub(crate) place: Place,
    /// Device and inode number of the file.
    file: Option<(u64, u64)>,
}

impl Region {
    /// Finds the region that the options mean and maps it.
    pub(crate) fn map(options: &Options) -> Result<Self, MapError> {
        if let Some(path) = &options.region {
            return Self::map_file(path);
        }
        let found = discover(&options.root, options.pci)?;
        Ok(Region { memory: found.memory, place: Place::Device(found.device.address()), file: None })
    }

    fn map_file(path: &Path) -> Result<Self, MapError> {
        let failed = |source| MapError::File { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let size = metadata.len();
        if size < Geometry::MIN_SIZE || !size.is_power_of_two() {
            return Err(MapError::Size { path: path.to_owned(), size });
        }
        let memory = MappedFile::map(&file, size).map_err(failed)?;
        let file = Some((metadata.dev(), metadata.ino()));
        Ok(Region { memory, place: Place::File(path.to_owned()), file })
    }

    /// The region that has taken this one's place, when its path leads to another file by now.
    ///
    /// `None` as well while there is no file, or none that can be mapped yet: what is mapped is as good as ever.
    pub(crate) fn successor(&self) -> Option<Region> {
        let (Place::File(path), Some(mapped)) = (&self.place, self.file) else { return None };
        let found = fs::metadata(path).ok()?;
        if (found.dev(), found.ino()) == mapped {
            return None;
        }
        Self::map_file(path).ok()
    }
}
