//! Several files replaced together, for what it costs to have one on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::syncfs;
use tempfile::NamedTempFile;

use super::{BACKUP_SUFFIX, InPlace, InPlaceError, io_error, read};
use crate::LARGEST_INPUT;

/// Up to so many files, each is synced by itself; more go to the disk with all that waits for it, which may be much of
/// other programs'.
const FEW: usize = 4;

/// Files to be replaced together.
///
/// Each is replaced whole or not at all, whatever happens to the others. Nothing is replaced before
/// [`carry_out`](Self::carry_out), and what is dropped before leaves nothing behind.
#[derive(Debug, Default)]
pub struct Replacements {
    prepared: Vec<Prepared>,
    bytes: usize,
}

/// A file and what comes to stand in its place, not yet on the disk.
#[derive(Debug)]
struct Prepared {
    file: InPlace,
    metadata: Metadata,
    backup: NamedTempFile,
    new: NamedTempFile,
}

impl Replacements {
    /// How many files are replaced at once.
    pub const MOST: usize = 64;

    /// Nothing to be replaced.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Prepares the replacement of `file` by `text`. What it was is kept beside it, under its name and
    /// [`BACKUP_SUFFIX`], readable by its owner only. Mode, owner and group stay; extended attributes do not.
    ///
    /// # Errors
    ///
    /// [`InPlaceError`], and `file` is none of these.
    pub fn prepare(&mut self, file: InPlace, text: &str) -> Result<(), InPlaceError> {
        let metadata = unchanged(&file)?;
        let folder = file.folder();
        let backup = write_beside(folder, &file.content, &metadata, 0o600)?;
        let new = write_beside(folder, text.as_bytes(), &metadata, metadata.mode() & 0o7777)?;
        self.bytes = self.bytes.saturating_add(file.content.len());
        self.prepared.push(Prepared { file, metadata, backup, new });
        Ok(())
    }

    /// Whether `file` is one of these.
    #[must_use]
    pub fn has(&self, file: &InPlace) -> bool {
        self.prepared.iter().any(|prepared| prepared.file.path == file.path)
    }

    /// Whether these are as many, or as large together, as should be replaced at once.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.prepared.len() >= Self::MOST || self.bytes >= LARGEST_INPUT
    }

    /// Replaces the files, and then has none. Returns the path of each backup in the order in which the files were
    /// prepared, or why the file is as it was. Blocks until all are on the disk.
    ///
    /// # Errors
    ///
    /// [`InPlaceError`] for a file. It is then as it was, but for [`InPlaceError::Unsynced`].
    pub fn carry_out(&mut self) -> Vec<Result<PathBuf, InPlaceError>> {
        self.bytes = 0;
        let prepared = std::mem::take(&mut self.prepared);
        let synced = sync_contents(&prepared);
        let mut folders = BTreeMap::new();
        let replaced: Vec<_> = prepared
            .into_iter()
            .zip(synced)
            .map(|(prepared, synced)| {
                synced?;
                let folder = prepared.file.folder().to_owned();
                let backup = prepared.replace()?;
                // The names are on the disk once their folder is.
                folders.insert(folder.clone(), None);
                Ok((backup, folder))
            })
            .collect();
        for (folder, failure) in &mut folders {
            *failure = File::open(folder).and_then(|folder| folder.sync_all()).err();
        }
        let on_the_disk = |(backup, folder): (PathBuf, PathBuf)| match folders.get(&folder) {
            Some(Some(error)) => Err(InPlaceError::Unsynced(error.kind().into())),
            _ => Ok(backup),
        };
        replaced.into_iter().map(|replaced| replaced.and_then(on_the_disk)).collect()
    }
}

impl Prepared {
    fn replace(self) -> Result<PathBuf, InPlaceError> {
        let metadata = unchanged(&self.file)?;
        let kept = |metadata: &Metadata| (metadata.mode(), metadata.uid(), metadata.gid());
        if kept(&metadata) != kept(&self.metadata) {
            return Err(InPlaceError::ChangedMeanwhile);
        }
        let mut backup = self.file.path.clone().into_os_string();
        backup.push(BACKUP_SUFFIX);
        let backup = PathBuf::from(backup);
        self.backup.persist(&backup).map_err(|error| io_error("write the backup")(error.error))?;
        self.new.persist(&self.file.path).map_err(|error| io_error("replace it")(error.error))?;
        Ok(backup)
    }
}

/// What `file` is, if it has the bytes that were read.
fn unchanged(file: &InPlace) -> Result<Metadata, InPlaceError> {
    let metadata = fs::symlink_metadata(&file.path).map_err(io_error("read it again"))?;
    if !metadata.is_file() || read(&file.path)? != file.content {
        return Err(InPlaceError::ChangedMeanwhile);
    }
    Ok(metadata)
}

/// A file in `folder` with `content`, of the owner that `like` has; it goes if it is not persisted.
fn write_beside(
    folder: &Path,
    content: &[u8],
    like: &Metadata,
    mode: u32,
) -> Result<NamedTempFile, InPlaceError> {
    // Made with mode 0600, so nobody else reads it before it has the owner and mode it is to have.
    let mut file = NamedTempFile::with_prefix_in(".ivring-", folder).map_err(io_error("write beside it"))?;
    file.write_all(content).map_err(io_error("write beside it"))?;
    let made = file.as_file().metadata().map_err(io_error("write beside it"))?;
    let (uid, gid) = (like.uid(), like.gid());
    if (made.uid(), made.gid()) != (uid, gid) {
        fchown(file.as_file(), Some(uid), Some(gid)).map_err(|source| InPlaceError::Owner {
            uid,
            gid,
            source,
        })?;
    }
    let permissions = fs::Permissions::from_mode(mode);
    file.as_file().set_permissions(permissions).map_err(io_error("keep its mode"))?;
    Ok(file)
}

/// Has the content of the new files and of the backups on the disk: a name must not get there before what it stands
/// for.
fn sync_contents(prepared: &[Prepared]) -> Vec<Result<(), InPlaceError>> {
    if prepared.len() <= FEW {
        let both = |one: &Prepared| one.backup.as_file().sync_all().and(one.new.as_file().sync_all());
        return prepared.iter().map(|one| both(one).map_err(io_error("write beside it"))).collect();
    }
    // Since Linux 5.8 it fails if any write of the file system has failed since the file was opened.
    let mut file_systems = BTreeMap::new();
    for one in prepared {
        file_systems.entry(one.metadata.dev()).or_insert_with(|| syncfs(one.new.as_file()).err());
    }
    let result = |one: &Prepared| match file_systems.get(&one.metadata.dev()) {
        Some(Some(error)) => Err(io_error("write beside it")((*error).into())),
        _ => Ok(()),
    };
    prepared.iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with `files` files, each with its number in it.
    fn folder(files: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..files).map(|file| folder.path().join(format!("{file}.xml"))).collect();
        for (file, path) in paths.iter().enumerate() {
            fs::write(path, file.to_string()).unwrap();
        }
        (folder, paths)
    }

    fn prepared(paths: &[PathBuf]) -> Replacements {
        let mut replacements = Replacements::new();
        for path in paths {
            replacements.prepare(InPlace::open(path).unwrap(), "new").unwrap();
        }
        replacements
    }

    #[test]
    fn few_and_many_files_are_replaced() {
        for count in [1, FEW, FEW + 1, 20] {
            let (folder, paths) = folder(count);
            let mut replacements = prepared(&paths);
            let backups: Vec<PathBuf> = replacements.carry_out().into_iter().map(Result::unwrap).collect();
            assert_eq!(backups.len(), count);
            for (file, (path, backup)) in paths.iter().zip(backups).enumerate() {
                assert_eq!(fs::read_to_string(path).unwrap(), "new");
                assert_eq!(fs::read_to_string(backup).unwrap(), file.to_string());
            }
            assert!(replacements.carry_out().is_empty());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2 * count);
        }
    }

    #[test]
    fn what_another_wrote_meanwhile_stays_and_the_others_are_replaced() {
        let (folder, paths) = folder(7);
        let mut replacements = prepared(&paths);
        fs::write(&paths[1], "another").unwrap();
        fs::set_permissions(&paths[2], fs::Permissions::from_mode(0o640)).unwrap();
        fs::remove_file(&paths[3]).unwrap();
        let results = replacements.carry_out();
        assert!(matches!(results[1], Err(InPlaceError::ChangedMeanwhile)));
        assert!(matches!(results[2], Err(InPlaceError::ChangedMeanwhile)));
        assert!(matches!(results[3], Err(InPlaceError::Io { what: "read it again", .. })));
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
        let texts = [0, 1, 2, 4, 5, 6].map(|file| fs::read_to_string(&paths[file]).unwrap());
        assert_eq!(texts, ["new", "another", "2", "new", "new", "new"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6 + 4);
    }

    #[test]
    fn what_was_changed_before_is_not_prepared() {
        let (_folder, paths) = folder(1);
        let file = InPlace::open(&paths[0]).unwrap();
        fs::write(&paths[0], "another").unwrap();
        let mut replacements = Replacements::new();
        assert!(matches!(replacements.prepare(file, "new"), Err(InPlaceError::ChangedMeanwhile)));
        assert!(replacements.carry_out().is_empty());
    }

    #[test]
    fn what_is_not_carried_out_leaves_nothing() {
        let (folder, paths) = folder(3);
        let replacements = prepared(&paths);
        assert!(replacements.has(&InPlace::open(&paths[2]).unwrap()));
        drop(replacements);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn there_is_an_end_to_what_is_replaced_at_once() {
        let (_folder, paths) = folder(Replacements::MOST);
        assert!(!prepared(&paths[1..]).is_full());
        let mut replacements = prepared(&paths);
        assert!(replacements.is_full());
        replacements.carry_out();
        assert!(!replacements.is_full());
        fs::write(&paths[0], "x".repeat(LARGEST_INPUT)).unwrap();
        let mut replacements = prepared(&paths[..1]);
        assert!(replacements.is_full());
        replacements.carry_out();
        assert!(!replacements.is_full());
    }
}
