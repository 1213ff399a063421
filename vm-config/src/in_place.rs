//! Changing a file in its place: whole or not at all.

mod replacements;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

pub use replacements::Replacements;

use crate::LARGEST_INPUT;

/// What the name of a backup ends with, after the name of the file.
pub const BACKUP_SUFFIX: &str = ".ivring-backup";

/// A file that has been read and may be replaced, by [`Replacements`].
#[derive(Debug)]
pub struct InPlace {
    path: PathBuf,
    content: Vec<u8>,
}

/// Why a file is not changed in its place.
#[derive(Debug, Error)]
pub enum InPlaceError {
    /// libvirt keeps the file, and writes over it.
    #[error(
        "libvirt owns this file and writes over it: make the change with `virsh edit DOMAIN`, or print it with \
         `virsh dumpxml --inactive --security-info DOMAIN | ivring-vm-config patch - | virsh define /dev/stdin`"
    )]
    OwnedByLibvirt,
    /// A symbolic link.
    #[error("a symbolic link to {0:?}: give the path of the file itself")]
    SymbolicLink(PathBuf),
    /// Not a file, or a file of several names.
    #[error(
        "{0}: only an ordinary file with one name is changed in its place; use standard input and output"
    )]
    NotOrdinary(&'static str),
    /// Somebody else changed the file meanwhile.
    #[error("changed by another while it was being worked on: nothing was written, run it again")]
    ChangedMeanwhile,
    /// The owner or group cannot be kept.
    #[error(
        "cannot keep its owner {uid}:{gid} ({source}): nothing was written, run it as that user or as root"
    )]
    Owner {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
        /// What the system says.
        source: io::Error,
    },
    /// It was replaced, and a power failure may take that back.
    #[error("replaced, but a power failure may still take that back: cannot sync its folder: {0}")]
    Unsynced(io::Error),
    /// The system says no.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl InPlaceError {
    /// Whether it is a refusal, as against a failure of input or output.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::OwnedByLibvirt | Self::SymbolicLink(_) | Self::NotOrdinary(_))
    }

    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OwnedByLibvirt => "owned-by-libvirt",
            Self::SymbolicLink(_) => "symbolic-link",
            Self::NotOrdinary(_) => "not-ordinary",
            Self::ChangedMeanwhile => "changed-meanwhile",
            Self::Owner { .. } => "owner",
            Self::Unsynced(_) => "unsynced",
            Self::Io { .. } => "io",
        }
    }
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> InPlaceError {
    move |source| InPlaceError::Io { what, source }
}

impl InPlace {
    /// Reads the file at `path`, at most one byte more than [`LARGEST_INPUT`]. Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// [`InPlaceError`] if the file is none to be changed in its place, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, InPlaceError> {
        let metadata = fs::symlink_metadata(path).map_err(io_error("read it"))?;
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(io_error("read the link"))?;
            return Err(InPlaceError::SymbolicLink(target));
        }
        if !metadata.is_file() {
            return Err(InPlaceError::NotOrdinary("no file"));
        }
        if metadata.nlink() > 1 {
            return Err(InPlaceError::NotOrdinary("a file with several names (hard links)"));
        }
        let path = fs::canonicalize(path).map_err(io_error("find it"))?;
        if is_owned_by_libvirt(&path) {
            return Err(InPlaceError::OwnedByLibvirt);
        }
        let content = read(&path)?;
        Ok(Self { path, content })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InPlaceError> {
    let mut content = Vec::new();
    // One byte more than may be, so that what is too large is seen to be.
    let most = u64::try_from(LARGEST_INPUT).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut content))
        .map_err(io_error("read it"))?;
    Ok(content)
}

/// Whether libvirt keeps the file at `path`, which is absolute and without links.
fn is_owned_by_libvirt(path: &Path) -> bool {
    let below =
        ["/etc/libvirt", "/run/libvirt", "/var/run/libvirt", "/var/lib/libvirt/qemu", "/var/cache/libvirt"];
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    // The daemons of users keep theirs in their home and run-time folders.
    let of_a_user = parts.windows(2).any(|pair| matches!(pair, [".config" | ".cache", "libvirt"]))
        || matches!(parts.as_slice(), ["run", "user", _, "libvirt", ..]);
    of_a_user || below.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_libvirt_are_known_by_their_folder() {
        for path in [
            "/etc/libvirt/qemu/web1.xml",
            "/run/libvirt/qemu/web1.xml",
            "/run/user/1000/libvirt/qemu/run/web1.xml",
            "/home/a/.config/libvirt/qemu/web1.xml",
            "/var/lib/libvirt/qemu/snapshot/web1/a.xml",
        ] {
            assert!(is_owned_by_libvirt(Path::new(path)), "{path}");
        }
        for path in
            ["/home/a/etc/libvirt/qemu/web1.xml", "/etc/libvirt-copies/a.xml", "/srv/libvirt/qemu/a.xml"]
        {
            assert!(!is_owned_by_libvirt(Path::new(path)), "{path}");
        }
    }
}
