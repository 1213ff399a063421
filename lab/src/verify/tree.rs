//! A copy of the sources, for checks that change them.

use std::fs;
use std::path::Path;

use crate::{Error, workspace};

/// Copies every file that git tracks, or would track, as it is now in the working tree. `to` is made anew.
pub(super) fn copy(to: &Path) -> Result<(), Error> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace::root())
        .output()
        .map_err(Error::io("cannot start git, which lists the sources"))?;
    if !listed.status.success() {
        return Err(Error::Failed(format!(
            "git ls-files: {}",
            String::from_utf8_lossy(&listed.stderr).trim()
        )));
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    let writing = || Error::io(format!("cannot write to {}", to.display()));
    if to.exists() {
        fs::remove_dir_all(to).map_err(writing())?;
    }
    for name in names.split_terminator('\0') {
        let (source, copy) = (workspace::root().join(name), to.join(name));
        // A deleted file is still listed until the deletion is committed.
        if source.is_file() {
            fs::create_dir_all(copy.parent().unwrap_or(to)).map_err(writing())?;
            fs::copy(&source, &copy).map_err(Error::io(format!("cannot copy {}", source.display())))?;
        }
    }
    Ok(())
}
