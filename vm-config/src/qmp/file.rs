//! The region's file, before QEMU opens it: what is wrong with it QEMU finds out late, or never.

use std::fs;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::{Shmem, Size};

/// Why the region's file cannot be given to QEMU.
#[derive(Debug, Error)]
pub enum FileError {
    /// A link, a folder or something else. QEMU spins for ever at a link to nothing, and makes a private file in a folder.
    #[error("{} is {what}, not a regular file: remove it, or take another --name", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Another size. QEMU takes one that is too large without a word.
    #[error("{} has {found} bytes and the device is to have {wanted}: give its size with --size", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The size that was asked for.
        wanted: u64,
    },
    /// It cannot be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Whether the file of `region` is there, with its size, or empty, which QEMU extends. False if QEMU is to make it.
pub(super) fn check(region: &Shmem) -> Result<bool, FileError> {
    check_at(region.path().into(), region.size())
}

fn check_at(path: PathBuf, size: Size) -> Result<bool, FileError> {
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(FileError::Io { path, source }),
    };
    let kind = found.file_type();
    if !kind.is_file() {
        let what = match () {
            () if kind.is_symlink() => "a symbolic link",
            () if kind.is_dir() => "a directory",
            () => "a device, FIFO or socket",
        };
        return Err(FileError::Kind { path, what });
    }
    match found.len() {
        0 => Ok(true),
        found if found == size.bytes() => Ok(true),
        found => Err(FileError::Size { path, found, wanted: size.bytes() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_that_size_is_taken_or_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let size: Size = "1M".parse().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(!check_at(at("none"), size).unwrap());
        for (name, length) in [("empty", 0), ("right", 1 << 20)] {
            fs::File::create(at(name)).unwrap().set_len(length).unwrap();
            assert!(check_at(at(name), size).unwrap(), "{name}");
        }
        for (name, length) in [("small", 4096), ("large", 2 << 20)] {
            fs::File::create(at(name)).unwrap().set_len(length).unwrap();
            assert!(matches!(check_at(at(name), size), Err(FileError::Size { .. })), "{name}");
        }
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for name in ["link", "folder"] {
            assert!(matches!(check_at(at(name), size), Err(FileError::Kind { .. })), "{name}");
        }
    }
}
