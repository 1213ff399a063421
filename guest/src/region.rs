//! The region in a guest's hands: where it is, mapped, and whether its file is still the same.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ivring_proto::layout::Geometry;
use ivring_proto::memory::{Memory, MemoryType, MixedMapping, Probe};
use nix::fcntl::OFlag;

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
    /// A symbolic link, which might lead anywhere by the time it is followed.
    #[error("{} is a symbolic link: name the file itself", path.display())]
    Link {
        /// The link.
        path: PathBuf,
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
            Self::Link { .. } | Self::Size { .. } => 4,
        }
    }

    /// The device whose memory has no address on the bus, if that is what is wrong.
    pub(crate) fn lacks_room(&self) -> Option<Address> {
        let Self::Discover(error) = self else { return None };
        error.lacks_room()
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

/// How the region's memory was taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionLost {
    /// An access found no page, after [`guard_mappings`](crate::guard_mappings).
    #[error("{place} had no page at offset {at:#x}: its file was cut, or the device unplugged")]
    NoPage {
        /// Where the region was.
        place: Place,
        /// Offset of the access, in bytes.
        at: u64,
    },
    /// The file is shorter than what is mapped of it.
    #[error("{} had {was} bytes and now has {is}: it needs its size back", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// Its size when it was mapped, in bytes.
        was: u64,
        /// Its size now.
        is: u64,
    },
    /// The device is not there any more, or is another one at the same place.
    #[error("PCI device {device} is gone: it was unplugged or removed")]
    Unplugged {
        /// Where it was.
        device: Address,
    },
}

/// What the region's path leads to.
#[derive(Debug)]
pub(crate) enum AtPath {
    /// The file that is mapped; as well while there is none, or none that can be mapped: what is mapped is as good as ever.
    Same,
    /// Nothing that may be touched.
    Lost(RegionLost),
    /// Another file.
    Another(Region),
}

/// The mapped region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) memory: MixedMapping,
    pub(crate) place: Place,
    /// Bytes of all of it; the first page alone may be mapped.
    pub(crate) size: u64,
    pub(crate) mapped_as: MappedAs,
    /// The file that is mapped, and its device and inode number: of a PCI device, that of its memory in sysfs.
    path: PathBuf,
    file: (u64, u64),
    /// The device's memory, where it is one's.
    device: Option<Box<DeviceMemory>>,
}

impl Region {
    /// Finds the region that the options mean and maps it.
    pub(crate) fn map(options: &Options) -> Result<Self, MapError> {
        if let Some(path) = &options.region {
            return Self::map_file(path, options.memory_type);
        }
        let bar = discover(&options.root, options.pci)?;
        let path = bar.device().directory().join("resource2");
        let metadata = fs::metadata(&path).map_err(|source| MapError::File { path: path.clone(), source })?;
        let memory = DeviceMemory::map(bar, options.memory_type, Probe::of).map_err(DiscoverError::from)?;
        Ok(Self::of_device(memory, path, (metadata.dev(), metadata.ino())))
    }

    fn of_device(memory: DeviceMemory, path: PathBuf, file: (u64, u64)) -> Self {
        Region {
            memory: memory.mapping().clone(),
            place: Place::Device(memory.bar().device().address()),
            size: memory.bar().size(),
            mapped_as: *memory.mapped_as(),
            path,
            file,
            device: Some(Box::new(memory)),
        }
    }

    fn map_file(path: &Path, choice: MemoryChoice) -> Result<Self, MapError> {
        let failed = |source| MapError::File { path: path.to_owned(), source };
        let (file, metadata) = open_file(path, OpenOptions::new().read(true).write(true))?;
        let size = metadata.len();
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
            path: path.to_owned(),
            file: (metadata.dev(), metadata.ino()),
            device: None,
        })
    }

    /// The same region mapped anew, when its rings begin elsewhere than they did: see [`DeviceMemory::reshaped`].
    pub(crate) fn reshaped(&self) -> Result<Option<Region>, BarError> {
        let Some(device) = &self.device else { return Ok(None) };
        Ok(device.reshaped()?.map(|memory| Self::of_device(memory, self.path.clone(), self.file)))
    }

    /// What its path leads to by now.
    pub(crate) fn look(&self, options: &Options) -> AtPath {
        let Place::File(path) = &self.place else {
            return self.unplugged().map_or(AtPath::Same, AtPath::Lost);
        };
        match fs::symlink_metadata(path) {
            Err(_) => AtPath::Same,
            Ok(found) if self.is(&found) => {
                let (was, is) = (self.memory.size(), found.len());
                if is >= was {
                    return AtPath::Same;
                }
                AtPath::Lost(RegionLost::Cut { path: path.clone(), was, is })
            }
            Ok(_) => Self::map_file(path, options.memory_type).map_or(AtPath::Same, AtPath::Another),
        }
    }

    /// How the region was lost, if it is of a device that is not there any more.
    ///
    /// Kernels from 5.12 on leave the mapping of a device that has gone as it is, and its addresses may be another
    /// device's soon: nothing there may be touched.
    pub(crate) fn unplugged(&self) -> Option<RegionLost> {
        let Place::Device(device) = self.place else { return None };
        let is_there = fs::symlink_metadata(&self.path).is_ok_and(|found| self.is(&found));
        (!is_there).then_some(RegionLost::Unplugged { device })
    }

    fn is(&self, found: &Metadata) -> bool {
        (found.dev(), found.ino()) == self.file
    }

    /// How the region was lost, if an access found that it was.
    pub(crate) fn lost(&self) -> Option<RegionLost> {
        let at = self.memory.broken_at()?;
        Some(RegionLost::NoPage { place: self.place.clone(), at })
    }
}

/// Opens a region's file, if it can be one.
pub(crate) fn open_file(path: &Path, how: &mut OpenOptions) -> Result<(File, Metadata), MapError> {
    let failed = |source| MapError::File { path: path.to_owned(), source };
    let opened = how.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    let file = opened.map_err(|source| match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => MapError::Link { path: path.to_owned() },
        _ => failed(source),
    })?;
    let metadata = file.metadata().map_err(failed)?;
    let size = metadata.len();
    if size < Geometry::MIN_SIZE || !size.is_power_of_two() {
        return Err(MapError::Size { path: path.to_owned(), size });
    }
    Ok((file, metadata))
}
