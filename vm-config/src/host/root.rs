//! Where a host's files are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The host itself, or a folder with the files of one.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// This host.
    #[must_use]
    pub fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// The host whose files are below `folder`: an image, or what a test has put there.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Where `path`, an absolute one of the host, is to be found.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// The text of a file; what is no UTF-8 in it is replaced.
    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        fs::read(self.path(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file, empty if it cannot be read.
    pub(super) fn text(&self, path: &str) -> String {
        self.read(path).unwrap_or_default()
    }

    /// Whether there is anything at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }
}
