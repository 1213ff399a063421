//! Reads the one-line files of sysfs and procfs, without trusting their size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// An attribute of sysfs is at most a page.
const LIMIT: u64 = 4096;

/// Reads at most a page of the file at `path` as text, trimmed; what isn't UTF-8 is replaced.
///
/// # Errors
///
/// What opening or reading the file reports.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
