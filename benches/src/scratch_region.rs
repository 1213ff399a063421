//! A region's file that is gone with this process, however that ends.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use ivring_lab::Keeper;

/// A path in /dev/shm of this process's own, for a region that is removed when this is dropped, and when the process is
/// killed.
///
/// A file without a name would need nobody to remove it. But a host looks each second whether its file is still at its
/// path, and takes another host's place by that path.
#[derive(Debug)]
pub(crate) struct ScratchRegion {
    path: PathBuf,
    _keeper: Keeper,
}

impl ScratchRegion {
    /// Makes no file yet, but sees to it that there will be none in the end.
    ///
    /// # Panics
    ///
    /// When the process that removes the file cannot be started.
    pub(crate) fn new() -> Self {
        static REGIONS: AtomicU32 = AtomicU32::new(0);
        let number = REGIONS.fetch_add(1, Relaxed);
        let path = PathBuf::from(format!("/dev/shm/ivring-bench-{}-{number}", process::id()));
        let keeper = Keeper::start().expect("a shell can be started");
        keeper.remove(&path).expect("it has just been started");
        ScratchRegion { path, _keeper: keeper }
    }

    /// Where the region is to be made.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
