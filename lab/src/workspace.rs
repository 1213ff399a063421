//! Where the sources are and where builds go.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the workspace this lab was built from.
#[must_use]
pub fn root() -> &'static Path {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().expect("the lab is a folder of the workspace")
}

/// Cargo's target directory: `CARGO_TARGET_DIR` where it is set, else `target`.
///
/// The lab keeps all that it builds, downloads and logs in the folder `lab` of it.
#[must_use]
pub fn target_directory() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}
