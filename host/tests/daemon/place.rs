//! What one test leaves behind, removed at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// A name for regions that no other test uses, and a directory for sockets.
pub struct Place {
    prefix: String,
    directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Place {
            prefix: format!("ivring-daemon-test-{}-{number}", std::process::id()),
            directory: TempDir::new().expect("a temporary directory"),
        }
    }

    /// Name of the shared region.
    pub fn region(&self) -> &str {
        &self.prefix
    }

    /// Path of the shared region.
    pub fn region_path(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.prefix)
    }

    /// Path of a region of one VM.
    pub fn region_path_of(&self, uuid: &str) -> PathBuf {
        Path::new("/dev/shm").join(format!("{}-{uuid}", self.prefix))
    }

    /// Pattern for the regions of one VM each.
    pub fn pattern(&self) -> String {
        format!("{}-*", self.prefix)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A copy of a program, in the directory, for users who cannot reach the original.
    ///
    /// Made by another process: one that another thread starts while we had the copy open for writing would hold it open
    /// as well, and what is open for writing cannot be run.
    pub fn copy_of(&self, program: &str) -> PathBuf {
        let copy = self.directory().join("program");
        let copied = Command::new("cp").arg(program).arg(&copy).status().expect("cp starts");
        assert!(copied.success());
        copy
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let ours = name.to_str().and_then(|name| name.strip_prefix(&self.prefix));
            if ours.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
                && fs::remove_file(entry.path()).is_err()
            {
                // A directory that a test put there.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}
