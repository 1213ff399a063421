//! A region in a host's hands: its file, its mapping and its checked superblock.

use std::io;
use std::path::Path;

use ivring_proto::control::Code;
use ivring_proto::layout::{
    Geometry, GeometryError, RegionState, Superblock, SuperblockError, VersionRange, read_superblock,
    write_state, write_versions,
};
use ivring_proto::link::format_region;
use ivring_proto::memory::MappedFile;
use ivring_proto::session::Uuid;

use crate::Options;
use crate::region_file::{RegionError, RegionFile};
use crate::region_name::{RegionNameError, region_owner, region_path};

/// Channels of a new region that any VM may join.
pub const DEFAULT_CHANNELS: u64 = 15;

/// Why a region was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] RegionNameError),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] RegionError),
    /// The file cannot be mapped.
    #[error("cannot map {path}: {source}")]
    Map {
        /// The file.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// What is in it cannot be used.
    #[error("{path}: {error}")]
    Superblock {
        /// The file.
        path: String,
        /// What is wrong.
        error: SuperblockError,
    },
    /// The geometry asked for is impossible.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The region exists with another geometry.
    #[error(
        "{path} has {found_channels} channels in {found_size} bytes and {wanted_channels} in {wanted_size} were asked \
         for: leave the options out to use it as it is, or stop every VM and start ivringd once with --reformat"
    )]
    OtherGeometry {
        /// The file.
        path: String,
        /// Size of the region.
        found_size: u64,
        /// Channels of the region.
        found_channels: u64,
        /// Size asked for.
        wanted_size: u64,
        /// Channels asked for.
        wanted_channels: u64,
    },
}

impl OpenError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        match self {
            OpenError::Name(error) => error.code(),
            OpenError::File(error) => error.code(),
            OpenError::Map { .. } => Code::Failure,
            OpenError::Superblock { error, .. } => superblock_code(error),
            OpenError::OtherGeometry { .. } => Code::Refused,
            OpenError::Geometry(_) => Code::BadInput,
        }
    }
}

/// The exit code that belongs to a region that cannot be used.
pub(crate) fn superblock_code(error: &SuperblockError) -> Code {
    match error {
        SuperblockError::Version { .. } | SuperblockError::Features { .. } => Code::Refused,
        SuperblockError::Empty
        | SuperblockError::Init
        | SuperblockError::Magic { .. }
        | SuperblockError::State { .. }
        | SuperblockError::Size { .. }
        | SuperblockError::Geometry(_) => Code::BadInput,
    }
}

/// An open, mapped, formatted region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) file: RegionFile,
    pub(crate) memory: MappedFile,
    pub(crate) superblock: Superblock,
    pub(crate) owner: Option<Uuid>,
}

impl Region {
    /// Opens the region, and formats it when it is new.
    pub(crate) fn open(options: &Options) -> Result<Self, OpenError> {
        let path = region_path(&options.region)?;
        let owner = options.owner.or_else(|| region_owner(&path));
        let wanted = |size: u64| {
            let channels = options.channels.unwrap_or(if owner.is_some() { 1 } else { DEFAULT_CHANNELS });
            Geometry::new(size, channels)
        };
        // Refused before a file is made or touched.
        wanted(options.size.unwrap_or(crate::region_file::DEFAULT_SIZE))?;
        let file = RegionFile::open(&path, options.size)?;
        let memory = map(&file)?;
        let superblock = if file.is_fresh() {
            let geometry = wanted(file.size())?;
            format(&memory, geometry, owner, &path)
        } else {
            match read_superblock(&memory) {
                Ok(superblock) => superblock,
                // A host died while it formatted; no guest attaches before READY, and this one holds the lock.
                Err(SuperblockError::Init) => format(&memory, wanted(file.size())?, owner, &path),
                Err(error) => return Err(superblock_error(&file, error)),
            }
        };
        let geometry = superblock.geometry;
        if options.channels.is_some_and(|channels| channels != geometry.channels()) {
            return Err(OpenError::OtherGeometry {
                path: path.display().to_string(),
                found_size: geometry.size(),
                found_channels: geometry.channels(),
                wanted_size: options.size.unwrap_or(geometry.size()),
                wanted_channels: options.channels.unwrap_or(geometry.channels()),
            });
        }
        if superblock.versions != VersionRange::SUPPORTED {
            // Another version of the host made it; guests are to know what this one speaks.
            write_versions(&memory, VersionRange::SUPPORTED);
        }
        if superblock.state == RegionState::Closing {
            write_state(&memory, RegionState::Ready, "");
        }
        let owner = options.owner.or_else(|| {
            let owner = Uuid::from_bytes(superblock.owner);
            (!owner.is_nil()).then_some(owner).or_else(|| region_owner(&path))
        });
        Ok(Region { file, memory, superblock, owner })
    }
}

/// Maps all of it.
pub(crate) fn map(file: &RegionFile) -> Result<MappedFile, OpenError> {
    MappedFile::map(file.file(), file.size())
        .map_err(|source| OpenError::Map { path: file.path().display().to_string(), source })
}

fn superblock_error(file: &RegionFile, error: SuperblockError) -> OpenError {
    OpenError::Superblock { path: file.path().display().to_string(), error }
}

/// Formats a region of which nobody uses anything yet.
fn format(memory: &MappedFile, geometry: Geometry, owner: Option<Uuid>, path: &Path) -> Superblock {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let superblock = Superblock::new(geometry, owner.map_or([0; 16], Uuid::into_bytes), &name);
    format_region(memory, &superblock);
    superblock
}
