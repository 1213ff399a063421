//! A path in `/dev/shm` that belongs to one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Nothing is there at first, and whatever the test leaves there is removed at its end.
pub struct ShmName(PathBuf);

impl ShmName {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ShmName(format!("/dev/shm/ivring-host-test-{}-{number}", std::process::id()).into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ShmName {
    fn drop(&mut self) {
        if std::fs::remove_file(&self.0).is_err() {
            // Nothing there, or a directory.
            let _ = std::fs::remove_dir(&self.0);
        }
    }
}
