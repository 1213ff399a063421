//! Regions that appear while the daemon runs: the files a pattern such as `fg_i3-*` matches, each named after its VM.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ivring_proto::control::Code;
use ivring_proto::session::Uuid;

use crate::region_name::{RegionNameError, region_owner, region_path};

/// Most files one pattern may bring in: `/dev/shm` is open to every user of the host, and each region costs memory.
const MAX_FILES: usize = 1024;

/// The pattern cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegionGlobError {
    /// It names no file.
    #[error(transparent)]
    Name(#[from] RegionNameError),
    /// Its wildcards are wrong.
    #[error("{pattern:?} is no pattern: {source}; write one such as 'fg_i3-*'")]
    Pattern {
        /// The text given.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
}

impl RegionGlobError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        Code::BadInput
    }
}

/// A region of one VM, found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRegion {
    /// The file.
    pub path: PathBuf,
    /// The only VM that may join there.
    pub owner: Uuid,
}

/// Watches a pattern for files named `...-<uuid>`.
#[derive(Debug)]
pub struct RegionGlob {
    pattern: String,
    /// What the last look saw; `None` for a file that is not taken.
    known: BTreeMap<PathBuf, Option<Uuid>>,
}

impl RegionGlob {
    /// True when `region` has wildcards, so that it belongs here and not to [`region_path`].
    pub fn is_pattern(region: &str) -> bool {
        region.contains(['*', '?', '['])
    }

    /// Takes a pattern without looking yet. Without a slash it is one under `/dev/shm`.
    ///
    /// # Errors
    ///
    /// When it names no file or its wildcards are wrong.
    pub fn new(pattern: &str) -> Result<Self, RegionGlobError> {
        let path = region_path(pattern)?;
        // The pattern came as text and was joined to text.
        let path = path.into_os_string().into_string().expect("made of UTF-8 only");
        glob::Pattern::new(&path)
            .map_err(|source| RegionGlobError::Pattern { pattern: pattern.to_owned(), source })?;
        Ok(RegionGlob { pattern: path, known: BTreeMap::new() })
    }

    /// The regions that have appeared since the last call, in the order of their names.
    ///
    /// Reads directories and does not block otherwise; meant to be called each second. A file that is still empty is
    /// left to whoever is making it and reported once it has a size. A match whose name does not end in `-<uuid>` is
    /// never reported, only logged, once.
    pub fn appeared(&mut self) -> Vec<FoundRegion> {
        let paths = glob::glob(&self.pattern).expect("the constructor tried it");
        // A path that cannot be read is none of ours, or will be seen at a later look.
        let files = paths.filter_map(Result::ok).filter(|path| has_content(path)).take(MAX_FILES);
        let mut before = std::mem::take(&mut self.known);
        let mut appeared = Vec::new();
        for path in files {
            if let Some(owner) = before.remove(&path) {
                self.known.insert(path, owner);
                continue;
            }
            let owner = region_owner(&path);
            match owner {
                Some(owner) => appeared.push(FoundRegion { path: path.clone(), owner }),
                None => tracing::warn!(path = %path.display(), "not taken: its name does not end in -<uuid>"),
            }
            self.known.insert(path, owner);
        }
        appeared
    }

    /// Makes the next [`appeared`](Self::appeared) report this file again if it is there: for a region that was lost,
    /// or could not be opened.
    pub fn forget(&mut self, path: &Path) {
        self.known.remove(path);
    }
}

/// True for a regular file with at least a byte. A symbolic link is not followed and so never taken.
pub(crate) fn has_content(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|file| file.is_file() && file.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const A: &str = "00000000-0000-4000-8000-00000000000a";
    const B: &str = "00000000-0000-4000-8000-00000000000b";

    fn watch(dir: &Path) -> RegionGlob {
        RegionGlob::new(&format!("{}/fg_i3-*", dir.display())).unwrap()
    }

    fn owners(found: &[FoundRegion]) -> Vec<String> {
        found.iter().map(|found| found.owner.to_string()).collect()
    }

    #[test]
    fn a_file_is_reported_once_when_it_has_a_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut glob = watch(dir.path());
        assert_eq!(glob.appeared(), []);
        let file = dir.path().join(format!("fg_i3-{A}"));
        fs::write(&file, "").unwrap();
        assert_eq!(glob.appeared(), [], "still empty");
        fs::write(&file, "x").unwrap();
        fs::write(dir.path().join(format!("fg_i3-{B}")), "x").unwrap();
        assert_eq!(owners(&glob.appeared()), [A, B]);
        assert_eq!(glob.appeared(), []);
    }

    #[test]
    fn a_file_that_went_away_or_was_forgotten_is_reported_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut glob = watch(dir.path());
        let file = dir.path().join(format!("fg_i3-{A}"));
        fs::write(&file, "x").unwrap();
        assert_eq!(owners(&glob.appeared()), [A]);
        glob.forget(&file);
        assert_eq!(owners(&glob.appeared()), [A]);
        fs::remove_file(&file).unwrap();
        assert_eq!(glob.appeared(), []);
        fs::write(&file, "x").unwrap();
        assert_eq!(owners(&glob.appeared()), [A]);
    }

    #[test]
    fn other_names_directories_and_links_are_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("fg_i3-web1"), "x").unwrap();
        fs::write(dir.path().join("fg_i3"), "x").unwrap();
        fs::create_dir(dir.path().join(format!("fg_i3-{A}"))).unwrap();
        std::os::unix::fs::symlink("fg_i3", dir.path().join(format!("fg_i3-{B}"))).unwrap();
        assert_eq!(watch(dir.path()).appeared(), []);
    }

    #[test]
    fn bad_patterns_are_refused() {
        assert!(RegionGlob::is_pattern("fg_i3-*") && !RegionGlob::is_pattern("fg_i3"));
        assert!(matches!(RegionGlob::new("fg_i3-***"), Err(RegionGlobError::Pattern { .. })));
        assert!(matches!(RegionGlob::new("*/"), Err(RegionGlobError::Name(_))));
        RegionGlob::new("fg_i3-*").unwrap();
    }
}
