//! Formatting a region anew, for another size or number of channels.
//!
//! Geometry never changes under anybody's eyes: it is done only while no other process maps the region, and so no virtual
//! machine has it. Guests that come later find another generation.

use std::io;
use std::path::PathBuf;

use ivring_proto::control::Code;
use ivring_proto::layout::{
    Geometry, RegionState, Superblock, read_superblock, superblock_word, write_state,
};
use ivring_proto::link::format_region;
use ivring_proto::memory::{MappedFile, Memory};

use crate::Options;
use crate::mappers::{Mappers, Process};
use crate::region::{DEFAULT_CHANNELS, OpenError, map};
use crate::region_file::RegionFile;
use crate::region_glob::has_content;
use crate::region_name::{region_owner, region_path};

/// Why guests that came in the midst of it are to wait.
const REASON: &str = "ivringd --reformat";
/// Processes named in an error.
const SHOWN: usize = 3;

/// Why a region was not formatted anew. It is as it was, unless the size could not be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReformatError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{path} is not formatted anew: mapped by {by}; power off its VMs, stop its agents and try again", path = .path.display())]
    InUse { path: PathBuf, by: String },
    #[error("{path} is not formatted anew: {by} cannot be looked into and may map it; run as root", path = .path.display())]
    Unseen { path: PathBuf, by: String },
    #[error("cannot find out who maps {path}: {source}", path = .path.display())]
    Look { path: PathBuf, source: io::Error },
}

impl ReformatError {
    /// The exit code that belongs to it.
    pub(crate) fn code(&self) -> Code {
        match self {
            ReformatError::Open(error) => error.code(),
            ReformatError::InUse { .. } | ReformatError::Unseen { .. } => Code::Refused,
            ReformatError::Look { .. } => Code::Failure,
        }
    }
}

/// Formats the region that the options name, by their size and channels where they say any. What is in it is forgotten. A
/// region that is not there yet is left to be made when it is opened.
pub(crate) fn reformat(options: &Options) -> Result<(), ReformatError> {
    let path = region_path(&options.region).map_err(OpenError::from)?;
    if !has_content(&path) {
        return Ok(());
    }
    let mut file = RegionFile::open(&path, None).map_err(OpenError::from)?;
    let memory = map(&file)?;
    let before = read_superblock(&memory).ok();
    let owner = options.owner.or_else(|| region_owner(&path));
    let usual = if owner.is_some() { 1 } else { DEFAULT_CHANNELS };
    let had = before.map_or(usual, |before| before.geometry.channels());
    let size = options.size.unwrap_or(file.size());
    let geometry = Geometry::new(size, options.channels.unwrap_or(had)).map_err(OpenError::from)?;
    // Whatever stands there, for a superblock that is damaged is a reason to be here.
    let generation = memory.load(superblock_word::GENERATION).wrapping_add(1);

    is_free(&file)?;
    if before.is_some() {
        write_state(&memory, RegionState::Closing, REASON);
        // A VM may have been started since; the next one waits.
        if let Err(error) = is_free(&file) {
            write_state(&memory, RegionState::Ready, "");
            return Err(error);
        }
    }
    drop(memory);
    file.resize(size).map_err(OpenError::from)?;
    let memory: MappedFile = map(&file)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let superblock = Superblock::new(geometry, owner.map_or([0; 16], |owner| owner.into_bytes()), &name);
    format_region(&memory, &Superblock { generation, ..superblock });
    tracing::info!(
        "{}: formatted anew, {} channels in {size} bytes, generation {generation}",
        path.display(),
        geometry.channels()
    );
    Ok(())
}

/// Whether nobody but this process maps the region.
fn is_free(file: &RegionFile) -> Result<(), ReformatError> {
    let path = || file.path().to_owned();
    let scan = Mappers::scan(file).map_err(|source| ReformatError::Look { path: path(), source })?;
    match scan.is_mapped_by_others() {
        Some(false) => Ok(()),
        Some(true) => Err(ReformatError::InUse { path: path(), by: named(scan.others()) }),
        None => Err(ReformatError::Unseen { path: path(), by: named(scan.unreadable()) }),
    }
}

/// The first few of them.
fn named(processes: &[Process]) -> String {
    let mut text: Vec<_> =
        processes.iter().take(SHOWN).map(|process| format!("process {}", process.pid)).collect();
    if processes.len() > SHOWN {
        text.push(format!("{} others", processes.len() - SHOWN));
    }
    if text.is_empty() { "some process".to_owned() } else { text.join(", ") }
}
