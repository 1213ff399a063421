//! What becomes of a remedy that is to be put in its place.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use tempfile::NamedTempFile;
use thiserror::Error;

use super::Root;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// Nothing: it was so already.
    Already,
    /// It is so now.
    Now,
    /// Nothing: what it is for is not on here.
    NotNeeded,
}

/// Why nothing was installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// Somebody has written something else there.
    #[error(
        "{file} says something else of this region, and is left as it is: edit it, or remove it first\n{diff}"
    )]
    Differs {
        /// The file.
        file: &'static str,
        /// Its lines after a `-`, and what they would have to be after a `+`.
        diff: String,
    },
    /// A program that does it is missing.
    #[error("{tool} is not installed: {package}")]
    NoTool {
        /// The program.
        tool: &'static str,
        /// The command that installs it.
        package: String,
    },
    /// A program that does it failed.
    #[error("{command} failed: {message}")]
    Tool {
        /// The command.
        command: String,
        /// What it said.
        message: String,
    },
    /// The file could not be read or written.
    #[error("cannot write {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

impl InstallError {
    /// The error `source` at `file`.
    pub(super) fn at(file: &str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { file: file.to_owned(), source }
    }
}

/// The text of `file`, if there is one.
pub(super) fn text_of(root: &Root, file: &str) -> Result<Option<String>, InstallError> {
    match fs::read_to_string(root.path(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InstallError::at(file)(error)),
    }
}

/// Gives `file` the content `text`, whole or not at all; a new one gets the mode 0644, another one keeps mode and owner.
pub(super) fn write(root: &Root, file: &str, text: &str) -> Result<(), InstallError> {
    write_at(&root.path(file), text).map_err(InstallError::at(file))
}

fn write_at(path: &Path, text: &str) -> io::Result<()> {
    // A link stays what it is.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut new = NamedTempFile::with_prefix_in(".ivring-", folder)?;
    new.write_all(text.as_bytes())?;
    let before = fs::metadata(&path).ok();
    if let Some(before) = &before {
        fchown(new.as_file(), Some(before.uid()), Some(before.gid()))?;
    }
    let mode = before.map_or(0o644, |before| before.mode() & 0o7777);
    new.as_file().set_permissions(Permissions::from_mode(mode))?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    fs::File::open(folder)?.sync_all()
}
