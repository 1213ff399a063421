//! Whether something starts the agent at boot, for those who only want to know.

use std::fs;
use std::path::{Path, PathBuf};

use super::NAME;
use super::inittab::{self, Entry};

/// Folders in which systemd looks for units, systemd.unit(5).
const UNITS: [&str; 3] = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// Where an enabled unit has a link.
const WANTED: &str = "etc/systemd/system/multi-user.target.wants";
const INITTAB: &str = "etc/inittab";

/// What starts the agent at boot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// This file does.
    Starts(PathBuf),
    /// This unit would, if it were enabled.
    Disabled(PathBuf),
    /// Nothing that is known.
    None,
}

/// Looks below `root`, by whoever the service was made.
pub(crate) fn service(root: &Path) -> Service {
    let unit = format!("{NAME}.service");
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    if let Some(path) = UNITS.map(|folder| root.join(folder).join(&unit)).into_iter().find(is_there) {
        let enabled = is_there(&root.join(WANTED).join(&unit));
        return if enabled { Service::Starts(path) } else { Service::Disabled(path) };
    }
    let path = root.join(INITTAB);
    match fs::read_to_string(&path).map(|text| inittab::find(&text)) {
        Ok(Entry::Ours { .. } | Entry::Foreign { .. }) => Service::Starts(path),
        Ok(Entry::None) | Err(_) => Service::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn units_links_and_lines_are_found() {
        let root = TempDir::new().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        assert_eq!(service(root.path()), Service::None);
        let inittab = write("etc/inittab", "# nothing\n");
        assert_eq!(service(root.path()), Service::None);
        write("etc/inittab", "::respawn:/usr/bin/ivring-agent run\n");
        assert_eq!(service(root.path()), Service::Starts(inittab));
        let unit = write("lib/systemd/system/ivring-agent.service", "");
        assert_eq!(service(root.path()), Service::Disabled(unit.clone()));
        write("etc/systemd/system/multi-user.target.wants/ivring-agent.service", "");
        assert_eq!(service(root.path()), Service::Starts(unit));
    }
}
