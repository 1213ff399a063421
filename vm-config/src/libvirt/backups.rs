//! What domains were before they were changed, in files that only their owner may read.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::iter;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use super::state_folder::state_folder;

/// The folder with the backups of many runs: a folder a run, named after its time, and in it a file a domain, named
/// after its UUID.
///
/// The files hold the passwords of the domains. They have mode 0600, the folders 0700.
#[derive(Debug)]
pub struct Backups {
    root: PathBuf,
    run: Option<PathBuf>,
}

/// Why there is no backup.
#[derive(Debug, Error)]
#[error("cannot {what} {path:?}: {source}; nothing was changed, --backup-dir names another folder")]
pub struct BackupError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn error(what: &'static str, path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |source| BackupError { what, path: path.to_owned(), source }
}

impl Backups {
    /// Backups in the folder `root`, which is made when there is something for it.
    #[must_use]
    pub fn in_folder(root: PathBuf) -> Self {
        Self { root, run: None }
    }

    /// Backups where they usually are: `/var/lib/ivring/backups` for root, else `ivring/backups` in the folder of the
    /// user's state (`XDG_STATE_HOME`, `~/.local/state`).
    #[must_use]
    pub fn usual() -> Self {
        Self::in_folder(state_folder().join("backups"))
    }

    /// The folder of this run, once something was kept.
    #[must_use]
    pub fn run(&self) -> Option<&Path> {
        self.run.as_deref()
    }

    /// Keeps `xml`, the domain `uuid` as it is, in the place of what this run has kept of it before. It is on the disk
    /// when this returns; so it blocks while the disk does.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn keep(&mut self, uuid: &str, xml: &str) -> Result<PathBuf, BackupError> {
        let run = match &self.run {
            Some(run) => run.clone(),
            None => self.run.insert(new_run(&self.root)?).clone(),
        };
        let path = run.join(file_name(uuid));
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(error("make", &path))?;
        file.write_all(xml.as_bytes()).and_then(|()| file.sync_all()).map_err(error("write", &path))?;
        File::open(&run).and_then(|folder| folder.sync_all()).map_err(error("write", &run))?;
        Ok(path)
    }

    /// Takes back [`keep`](Self::keep) for the domain `uuid`, which was not changed after all. What cannot be removed stays:
    /// it harms nobody.
    pub fn discard(&mut self, uuid: &str) {
        if let Some(run) = &self.run {
            let _ = fs::remove_file(run.join(file_name(uuid)));
            // Only an empty folder goes.
            if fs::remove_dir(run).is_ok() {
                self.run = None;
            }
        }
    }

    /// What is kept of the domain `uuid`, the newest first. What cannot be read is left out.
    pub fn of(&self, uuid: &str) -> impl Iterator<Item = String> + use<> {
        let mut runs: Vec<PathBuf> =
            fs::read_dir(&self.root).into_iter().flatten().filter_map(|run| Some(run.ok()?.path())).collect();
        // The names are times in UTC, which sort as times do.
        runs.sort_unstable();
        let name = file_name(uuid);
        runs.into_iter().rev().filter_map(move |run| fs::read_to_string(run.join(&name)).ok())
    }
}

fn file_name(uuid: &str) -> String {
    // No path, whatever the text.
    let plain: String =
        uuid.chars().map(|c| if c.is_ascii_hexdigit() || c == '-' { c } else { '_' }).collect();
    format!("{plain}.xml")
}

fn new_run(root: &Path) -> Result<PathBuf, BackupError> {
    let mut private = DirBuilder::new();
    private.mode(0o700);
    private.recursive(true).create(root).map_err(error("make", root))?;
    private.recursive(false);
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    // Of two runs in the same millisecond the second takes the next name.
    let names = iter::once(time.clone()).chain((2..=9).map(|number| format!("{time}-{number}")));
    let mut last = None;
    for path in names.map(|name| root.join(name)) {
        match private.create(&path) {
            Ok(()) => {
                File::open(root).and_then(|root| root.sync_all()).map_err(error("write", root))?;
                return Ok(path);
            }
            Err(problem) => {
                let exists = problem.kind() == io::ErrorKind::AlreadyExists;
                last = Some(error("make", &path)(problem));
                if !exists {
                    break;
                }
            }
        }
    }
    last.map_or_else(|| Ok(root.to_owned()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_backup_is_its_owners_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state/backups");
        let mut first = Backups::in_folder(root.clone());
        assert_eq!(first.of("a1").count(), 0);
        let path = first.keep("a1", "older and longer").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&root)), (0o600, 0o700, 0o700));
        first.keep("a1", "old").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        first.keep("b2", "of another").unwrap();

        let mut second = Backups::in_folder(root.clone());
        second.keep("a1", "new").unwrap();
        assert_ne!(first.run(), second.run());
        assert_eq!(Backups::in_folder(root).of("a1").collect::<Vec<_>>(), ["new", "old"]);
    }

    #[test]
    fn what_was_kept_for_nothing_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut backups = Backups::in_folder(folder.path().to_owned());
        backups.keep("a1", "old").unwrap();
        backups.keep("b2", "old").unwrap();
        backups.discard("a1");
        assert_eq!((backups.of("a1").count(), backups.of("b2").count()), (0, 1));
        backups.discard("b2");
        assert_eq!((backups.run(), fs::read_dir(folder.path()).unwrap().count()), (None, 0));
    }

    #[test]
    fn what_cannot_be_kept_is_told_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("file");
        fs::write(&root, "").unwrap();
        let error = Backups::in_folder(root.clone()).keep("a1", "xml").unwrap_err().to_string();
        assert!(
            error.contains(&root.display().to_string()) && error.contains("nothing was changed"),
            "{error}"
        );
        assert_eq!(file_name("../../etc/x"), "______e_c__.xml");
    }
}
