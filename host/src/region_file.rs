//! The file behind a region: found or made, checked, locked, allocated, and watched.
//!
//! A VM that runs keeps the file it opened. So a file that is there is never removed, truncated or made anew: it is
//! used as it is, or refused with nothing changed. Only a region that nobody maps may get another size.

mod content;
mod create;
mod error;
mod holder;

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ivring_proto::layout::Geometry;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use content::{Content, content_of};
use create::{allocate, create, warn_if_open_to_all};
pub use error::{Holder, RegionError, RegionLost};

/// Size of a region that has to be made when nobody asks for another.
pub const DEFAULT_SIZE: u64 = 8 << 20;

/// How often opening starts over when the name changes hands meanwhile.
const ATTEMPTS: usize = 8;

/// An open region file. Dropping it gives up its lock; the file stays.
#[derive(Debug)]
pub struct RegionFile {
    file: File,
    path: PathBuf,
    size: u64,
    fresh: bool,
}

impl RegionFile {
    /// Opens the region at `path` for a host, making the file where there is none.
    ///
    /// A new file gets `size` bytes or [`DEFAULT_SIZE`], mode 0660 and the group `kvm` where it exists. An existing file
    /// is taken if it is a region or all zero; an empty one is extended. With `size` given it must have that size.
    /// All of it is allocated, and it stays locked (flock) until this value is dropped, so that there is one host at a
    /// time. Does not wait for the lock.
    ///
    /// # Errors
    ///
    /// [`RegionError`]; nothing is changed then, but blocks of an existing file may have been allocated.
    pub fn open(path: &Path, size: Option<u64>) -> Result<Self, RegionError> {
        if let Some(size) = size
            && !is_usable(size)
        {
            return Err(RegionError::BadSize { size });
        }
        for _ in 0..ATTEMPTS {
            let Some(file) = open_existing(path, true)? else {
                let size = size.unwrap_or(DEFAULT_SIZE);
                match create(path, size)? {
                    Some(file) => return Ok(RegionFile { file, path: path.to_owned(), size, fresh: true }),
                    None => continue,
                }
            };
            lock(&file, path)?;
            let region = RegionFile { file, path: path.to_owned(), size: 0, fresh: true };
            // Between the open and the lock the name may have passed to another file.
            if !region.is_at_path().map_err(|error| io_error(path, "look at", error))? {
                continue;
            }
            return region.adopt(size);
        }
        Err(RegionError::Unsettled { path: path.to_owned() })
    }

    /// Opens an existing region to look at it: read-only, without a lock, changing nothing.
    ///
    /// # Errors
    ///
    /// [`RegionError`]: there is none, or it is no region.
    pub fn open_read_only(path: &Path) -> Result<Self, RegionError> {
        let file =
            open_existing(path, false)?.ok_or_else(|| RegionError::Missing { path: path.to_owned() })?;
        let size = file.metadata().map_err(|error| io_error(path, "look at", error))?.len();
        let fresh = check_content(&file, path, size)?;
        Ok(RegionFile { file, path: path.to_owned(), size, fresh })
    }

    /// Takes a file that was there, with the lock held.
    fn adopt(mut self, wanted: Option<u64>) -> Result<Self, RegionError> {
        let path = &self.path;
        let found = self.file.metadata().map_err(|error| io_error(path, "look at", error))?.len();
        let size = if found == 0 {
            wanted.unwrap_or(DEFAULT_SIZE)
        } else {
            self.fresh = check_content(&self.file, path, found)?;
            match wanted {
                Some(wanted) if wanted != found => {
                    return Err(RegionError::OtherSize { path: path.clone(), found, wanted });
                }
                _ => found,
            }
        };
        allocate(&self.file, path, size)?;
        warn_if_open_to_all(&self.file, path);
        self.size = size;
        Ok(self)
    }

    /// Gives it another size, all of it allocated. Only for a region that nobody maps.
    pub(crate) fn resize(&mut self, size: u64) -> Result<(), RegionError> {
        allocate(&self.file, &self.path, size)?;
        self.file.set_len(size).map_err(|error| io_error(&self.path, "resize", error))?;
        self.size = size;
        Ok(())
    }

    /// The open file, to be mapped.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path it was opened at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// True when it was all zero as it was opened: it is still to be formatted.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The process that has locked it, as a host does, if there is one and it can be told.
    pub(crate) fn held_by(&self) -> Option<u32> {
        holder::holder_of(&self.file.metadata().ok()?).pid
    }

    /// Compares the open file with the one now at the path. Two system calls; meant to be called each second.
    ///
    /// # Errors
    ///
    /// [`RegionLost`] when it is no longer the same file of the same size. A region that became shorter must not be
    /// touched again: the access would be SIGBUS.
    pub fn still_same(&self) -> Result<(), RegionLost> {
        let lost = |source| RegionLost::Io { path: self.path.clone(), source };
        let is = self.file.metadata().map_err(lost)?.len();
        if is != self.size {
            return Err(RegionLost::Resized { path: self.path.clone(), was: self.size, is });
        }
        match self.is_at_path() {
            Ok(true) => Ok(()),
            Ok(false) => Err(RegionLost::Replaced { path: self.path.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(RegionLost::Removed { path: self.path.clone() })
            }
            Err(error) => Err(lost(error)),
        }
    }

    /// True while the path leads to the open file.
    fn is_at_path(&self) -> io::Result<bool> {
        let (open, named) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
    }
}

impl Drop for RegionFile {
    fn drop(&mut self) {
        // Closing would not do: a child that is just being forked has a copy of the descriptor until it calls exec, and
        // would keep the lock as long. Nobody could do anything about an error.
        let _ = self.file.unlock();
    }
}

/// Opens what is at `path` if it is a regular file; `None` when nothing is there.
fn open_existing(path: &Path, write: bool) -> Result<Option<File>, RegionError> {
    // O_NONBLOCK: a FIFO in the region's place must not stop us here. It means nothing to a regular file.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new().read(true).write(write).custom_flags(flags.bits()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            let kind = fs::symlink_metadata(path).ok().and_then(|metadata| kind_of(&metadata));
            return match (error.raw_os_error().map(Errno::from_raw), kind) {
                (Some(Errno::ENOENT), None) => Ok(None),
                (_, Some(kind)) => Err(RegionError::NotAFile { path: path.to_owned(), kind }),
                (Some(Errno::EACCES | Errno::EPERM | Errno::EROFS), None) => {
                    Err(permission_error(path, "open", path))
                }
                (_, None) => Err(io_error(path, "open", error)),
            };
        }
    };
    let metadata = file.metadata().map_err(|error| io_error(path, "look at", error))?;
    match kind_of(&metadata) {
        Some(kind) => Err(RegionError::NotAFile { path: path.to_owned(), kind }),
        None => Ok(Some(file)),
    }
}

/// What a path is, with its article, if it is no regular file.
fn kind_of(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    Some(match () {
        () if kind.is_file() => return None,
        () if kind.is_dir() => "a directory",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    })
}

/// True for a size a region can have.
fn is_usable(size: u64) -> bool {
    size.is_power_of_two() && (Geometry::MIN_SIZE..=Geometry::MAX_SIZE).contains(&size)
}

/// True when the file is all zero, false when it is a region, else an error.
fn check_content(file: &File, path: &Path, size: u64) -> Result<bool, RegionError> {
    if !is_usable(size) {
        return Err(RegionError::UnusableSize { path: path.to_owned(), found: size });
    }
    match content_of(file, size).map_err(|error| io_error(path, "read", error))? {
        Content::Zero => Ok(true),
        Content::Region => Ok(false),
        Content::Magic(magic) => Err(RegionError::Magic { path: path.to_owned(), magic }),
        Content::NotZero(at) => Err(RegionError::NotZero { path: path.to_owned(), at }),
    }
}

/// Locks the inode for this process, or says who has it.
fn lock(file: &File, path: &Path) -> Result<(), RegionError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let metadata = file.metadata().map_err(|error| io_error(path, "look at", error))?;
            Err(RegionError::Locked { path: path.to_owned(), holder: holder::holder_of(&metadata) })
        }
        Err(TryLockError::Error(error)) => Err(io_error(path, "lock", error)),
    }
}

/// Permission was missing on `obstacle`: the file itself, or the directory in which it should be made.
fn permission_error(path: &Path, action: &'static str, obstacle: &Path) -> RegionError {
    let mode = match fs::symlink_metadata(obstacle) {
        Ok(found) => format!(
            "{} belongs to {}:{}, mode {:04o}",
            obstacle.display(),
            found.uid(),
            found.gid(),
            found.mode() & 0o7777
        ),
        Err(error) => format!("{}: {error}", obstacle.display()),
    };
    RegionError::Permission { path: path.to_owned(), action, uid: geteuid().as_raw(), mode }
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> RegionError {
    RegionError::Io { path: path.to_owned(), action, source }
}
