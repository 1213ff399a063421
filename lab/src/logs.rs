//! The folders of logs, which stay for reading after a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::Error;
use crate::cargo::folder;

/// The folder for the logs of this process under `label`, after removing those of ended processes with that label.
pub(crate) fn fresh_logs(label: &str) -> Result<PathBuf, Error> {
    let all = folder("logs");
    let error = || Error::io(format!("cannot write to {}", all.display()));
    fs::create_dir_all(&all).map_err(error())?;
    for entry in fs::read_dir(&all).map_err(error())?.filter_map(Result::ok) {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(label)?.strip_prefix('-')?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // Another run may be removing it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let logs = all.join(format!("{label}-{}", process::id()));
    fs::create_dir_all(&logs).map_err(error())?;
    Ok(logs)
}
