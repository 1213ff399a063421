//! Domains as they were kept in files.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{Domain, LARGEST_INPUT, Unreadable};

/// A domain's configuration as it was kept in a file.
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// The UUID of the domain.
    pub uuid: String,
    /// The name of the domain then.
    pub name: String,
    /// The whole XML, with its secrets.
    pub(super) xml: String,
}

impl fmt::Debug for Saved {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved")
            .field("path", &self.path)
            .field("uuid", &self.uuid)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a file or folder holds no domain's configuration.
#[derive(Debug, Error)]
pub enum SavedError {
    /// It cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is in it.
    #[error("{path:?} is no backup of a domain: {source}")]
    NoDomain {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Unreadable,
    },
    /// It does not say of which domain it is.
    #[error("{0:?} is no backup of a domain: it has no <uuid> to say of which")]
    NoUuid(PathBuf),
    /// It is about one run of a domain.
    #[error(
        "{0:?} is the XML of a running domain, with what libvirt chose for that run: it cannot be its configuration"
    )]
    Live(PathBuf),
    /// The folder is another one.
    #[error("{path:?} holds no backup (UUID.xml){}", advice(.newest.as_ref()))]
    NoBackups {
        /// The folder.
        path: PathBuf,
        /// The newest folder in it that does.
        newest: Option<PathBuf>,
    },
}

fn advice(newest: Option<&PathBuf>) -> String {
    newest.map_or(String::new(), |newest| format!(", but the folders of runs: the newest is {newest:?}"))
}

impl SavedError {
    /// Whether reading failed, as against what was read.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

fn error(path: &Path) -> impl Fn(io::Error) -> SavedError {
    move |source| SavedError::Io { path: path.to_owned(), source }
}

impl Saved {
    /// What is kept at `path`: in a file, or in the files `*.xml` of a folder. Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// [`SavedError`] for a single file, or if a folder has none of them; what is wrong with one file of a folder is told
    /// in its place.
    pub fn find(path: &Path) -> Result<Vec<Result<Self, SavedError>>, SavedError> {
        if !fs::metadata(path).map_err(error(path))?.is_dir() {
            return Self::read(path).map(|saved| vec![Ok(saved)]);
        }
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
            entries(path)?.into_iter().partition(|entry| entry.is_dir());
        let files: Vec<PathBuf> = files.into_iter().filter(|file| is_xml(file)).collect();
        if files.is_empty() {
            let run =
                |folder: &PathBuf| entries(folder).is_ok_and(|files| files.iter().any(|file| is_xml(file)));
            let newest = folders.into_iter().rfind(run);
            return Err(SavedError::NoBackups { path: path.to_owned(), newest });
        }
        Ok(files.iter().map(|file| Self::read(file)).collect())
    }

    fn read(path: &Path) -> Result<Self, SavedError> {
        let mut content = Vec::new();
        // One byte more than may be, so that what is too large is seen to be.
        let most = u64::try_from(LARGEST_INPUT).unwrap_or(u64::MAX).saturating_add(1);
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut content)).map_err(error(path))?;
        let domain = Domain::read(&content)
            .map_err(|source| SavedError::NoDomain { path: path.to_owned(), source })?;
        if domain.live().is_some() {
            return Err(SavedError::Live(path.to_owned()));
        }
        let uuid = domain.uuid().ok_or_else(|| SavedError::NoUuid(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            uuid: uuid.to_owned(),
            name: domain.name().unwrap_or(uuid).to_owned(),
            xml: domain.text().to_owned(),
        })
    }
}

/// What is in `folder`, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, SavedError> {
    let entries: io::Result<Vec<PathBuf>> =
        fs::read_dir(folder).map_err(error(folder))?.map(|entry| Ok(entry?.path())).collect();
    let mut entries = entries.map_err(error(folder))?;
    entries.sort_unstable();
    Ok(entries)
}

fn is_xml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "<domain type='kvm'><name>a</name><uuid>u-1</uuid></domain>";

    fn found(path: &Path) -> Vec<String> {
        let told = |saved: Result<Saved, SavedError>| {
            saved.map_or_else(|error| error.to_string(), |saved| saved.uuid + " " + &saved.name)
        };
        Saved::find(path)
            .map_or_else(|error| vec![error.to_string()], |found| found.into_iter().map(told).collect())
    }

    #[test]
    fn a_file_or_the_folder_of_a_run_is_read() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run-2");
        fs::create_dir(&run).unwrap();
        assert!(found(root.path())[0].ends_with("holds no backup (UUID.xml)"), "{:?}", found(root.path()));
        fs::write(run.join("b.xml"), DOMAIN).unwrap();
        fs::write(run.join("a.xml"), "<network/>").unwrap();
        fs::write(run.join("notes.txt"), "").unwrap();
        assert_eq!(found(&run.join("b.xml")), ["u-1 a"]);
        let [bad, good] = &found(&run)[..] else { panic!("{:?}", found(&run)) };
        assert!(bad.contains("a.xml") && bad.contains("is no backup of a domain"), "{bad}");
        assert_eq!(good, "u-1 a");
        let [runs] = &found(root.path())[..] else { panic!("{:?}", found(root.path())) };
        assert!(runs.contains("the newest is") && runs.contains("run-2"), "{runs}");
    }

    #[test]
    fn what_says_of_no_domain_or_of_one_run_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xml");
        for (text, expected) in [
            ("<domain type='kvm'><name>a</name></domain>", "no <uuid>"),
            ("<domain type='kvm' id='3'><uuid>u</uuid></domain>", "running domain"),
            ("<domain", "is no backup"),
        ] {
            fs::write(&file, text).unwrap();
            assert!(found(&file)[0].contains(expected), "{:?}", found(&file));
        }
        fs::remove_file(&file).unwrap();
        assert!(matches!(Saved::find(&file), Err(error) if error.is_failure()));
    }
}
