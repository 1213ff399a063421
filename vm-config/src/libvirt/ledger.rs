//! What is remembered of domains between runs: who had the device, and from whom it was taken on purpose.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::state_folder::state_folder;
use crate::LARGEST_INPUT;

/// What the file is called, in the folder of the state.
const FILE: &str = "watch.json";

/// The version of the file's format.
const VERSION: u32 = 1;

/// The file with what is remembered of domains. It is its owner's alone (mode 0600) and replaced whole, so it is never
/// half written.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

/// Which device of which domain is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The URI of the domain's libvirt, as it was given.
    pub uri: String,
    /// The UUID of the domain.
    pub uuid: String,
    /// The name of the device's region.
    pub region: String,
}

/// What is remembered of the device of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The name of the domain when it was written down.
    pub domain: String,
    /// If the domain was last seen with the device: the [`fingerprint`](crate::fingerprint) of its configuration then.
    pub had: Option<u64>,
    /// How the device was taken from it on purpose, if it was.
    pub taken_out: Option<TakenOut>,
}

/// How a device was taken from a domain on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOut {
    /// What did it.
    pub by: By,
    /// When it was done or noticed, in UTC.
    pub at: String,
}

/// What took a device from a domain on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// `ivring-vm-config remove` of domains that were named.
    Remove,
    /// `ivring-vm-config remove --all`.
    RemoveAll,
    /// `ivring-vm-config rollback`.
    Rollback,
    /// Somebody, who changed nothing else in the configuration.
    Edit,
}

impl By {
    /// Whether it was about this domain, as against all at once: then it is not taken back for all at once either.
    #[must_use]
    pub fn is_of_one(self) -> bool {
        matches!(self, Self::Remove | Self::Edit)
    }
}

impl TakenOut {
    /// By `by`, now.
    #[must_use]
    pub fn now(by: By) -> Self {
        Self { by, at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string() }
    }
}

/// What is remembered, by device and domain.
pub type Entries = BTreeMap<Key, Entry>;

/// Why what is remembered cannot be had or written.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The system says no.
    #[error(
        "cannot {what} {path:?}, which remembers where the device was taken out on purpose: {source}; --state-file names another"
    )]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file or its folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is in it.
    #[error(
        "{path:?} does not read as what remembers where the device was taken out on purpose: {reason}; move it away, or name \
         another with --state-file"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    domains: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    uri: String,
    uuid: String,
    region: String,
    domain: String,
    /// Sixteen hexadecimal digits: numbers of JSON may lose some.
    had: Option<String>,
    taken_out: Option<TakenOut>,
}

impl Ledger {
    /// The ledger in the file `path`, which is made when there is something for it.
    #[must_use]
    pub fn in_file(path: PathBuf) -> Self {
        Self { path }
    }

    /// The ledger where it usually is: `/var/lib/ivring/watch.json` for root, else `ivring/watch.json` in the folder of the
    /// user's state (`XDG_STATE_HOME`, `~/.local/state`).
    #[must_use]
    pub fn usual() -> Self {
        Self::in_file(state_folder().join(FILE))
    }

    /// What is remembered; nothing if there is no file.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn read(&self) -> Result<Entries, LedgerError> {
        let mut text = Vec::new();
        // One byte more than may be, so that what is too large is seen to be.
        let most = u64::try_from(LARGEST_INPUT).unwrap_or(u64::MAX).saturating_add(1);
        match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entries::new()),
            Err(error) => return Err(io_error("read", &self.path)(error)),
            Ok(file) => file.take(most).read_to_end(&mut text).map_err(io_error("read", &self.path))?,
        };
        self.parse(&text).map_err(|reason| LedgerError::Broken { path: self.path.clone(), reason })
    }

    fn parse(&self, text: &[u8]) -> Result<Entries, String> {
        if text.len() > LARGEST_INPUT {
            return Err(format!("it is longer than {LARGEST_INPUT} bytes"));
        }
        // A newer format may have other fields, so its version is looked at alone.
        let json: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match json.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                return Err(format!("it has version {version}, and this program writes {VERSION}"));
            }
            None => return Err("it has no version".to_owned()),
        }
        let written: Written = serde_json::from_value(json).map_err(|error| error.to_string())?;
        written.domains.into_iter().map(Line::read).collect()
    }

    /// Changes what is remembered by `change` and gives what comes of it. The file is written if that is something else than
    /// before, and on the disk when this returns. Blocks while another process does the same.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; the file is as before then.
    pub fn update(&self, change: impl FnOnce(&mut Entries)) -> Result<Entries, LedgerError> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("make", folder))?;
        let lock = File::open(folder).map_err(io_error("open", folder))?;
        lock.lock().map_err(io_error("lock", folder))?;
        let before = self.read()?;
        let mut entries = before.clone();
        change(&mut entries);
        entries.retain(|_, entry| entry.had.is_some() || entry.taken_out.is_some());
        if entries != before {
            self.replace(folder, &entries).map_err(io_error("write", &self.path))?;
            lock.sync_all().map_err(io_error("write", folder))?;
        }
        Ok(entries)
    }

    fn replace(&self, folder: &Path, entries: &Entries) -> io::Result<()> {
        let domains = entries.iter().map(|(key, entry)| Line::of(key, entry)).collect();
        let text = serde_json::to_string_pretty(&Written { version: VERSION, domains })?;
        // Readable by its owner only from the start.
        let mut file = tempfile::Builder::new().prefix(".watch-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

impl Line {
    fn of(key: &Key, entry: &Entry) -> Self {
        Self {
            uri: key.uri.clone(),
            uuid: key.uuid.clone(),
            region: key.region.clone(),
            domain: entry.domain.clone(),
            had: entry.had.map(|had| format!("{had:016x}")),
            taken_out: entry.taken_out.clone(),
        }
    }

    fn read(self) -> Result<(Key, Entry), String> {
        let had =
            self.had.map(|had| u64::from_str_radix(&had, 16).map_err(|_| format!("{had:?} is no number")));
        let entry = Entry { domain: self.domain, had: had.transpose()?, taken_out: self.taken_out };
        Ok((Key { uri: self.uri, uuid: self.uuid, region: self.region }, entry))
    }
}

fn io_error(what: &'static str, path: &Path) -> impl Fn(io::Error) -> LedgerError {
    move |source| LedgerError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn key(uuid: &str) -> Key {
        Key { uri: "qemu:///system".to_owned(), uuid: uuid.to_owned(), region: "fg_i3".to_owned() }
    }

    fn entry() -> Entry {
        let taken_out = TakenOut { by: By::Edit, at: "2026-02-03T04:05:06Z".to_owned() };
        Entry { domain: "web1".to_owned(), had: Some(u64::MAX), taken_out: Some(taken_out) }
    }

    #[test]
    fn what_is_written_is_read_again_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_file(folder.path().join("a/watch.json"));
        assert_eq!(ledger.read().unwrap(), Entries::new());
        ledger.update(|entries| drop(entries.insert(key("1"), entry()))).unwrap();
        ledger
            .update(|entries| drop(entries.insert(key("2"), Entry { taken_out: None, ..entry() })))
            .unwrap();
        let read = ledger.read().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read.get(&key("1")), Some(&entry()));
        let mode = fs::metadata(&ledger.path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        // An entry that says nothing goes away, and with the temporary file nothing is left.
        ledger.update(|entries| entries.values_mut().for_each(|entry| entry.had = None)).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 1);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn an_update_that_changes_nothing_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_file(folder.path().join("watch.json"));
        ledger.update(|_| {}).unwrap();
        assert!(!ledger.path.exists());
    }

    #[test]
    fn what_is_broken_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_file(folder.path().join("watch.json"));
        for (text, told) in [
            ("", "EOF"),
            ("{\"version\":1,\"domains\":[", "EOF"),
            ("{\"version\":2,\"places\":[]}", "version 2"),
            ("[]", "no version"),
            ("{\"version\":1}", "domains"),
            (
                "{\"version\":1,\"domains\":[{\"uri\":\"u\",\"uuid\":\"1\",\"region\":\"r\",\"domain\":\"d\",\"had\":\"x\",\"taken_out\":null}]}",
                "\"x\" is no number",
            ),
        ] {
            fs::write(&ledger.path, text).unwrap();
            let error = ledger.update(Entries::clear).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("--state-file"), "{error}");
            assert_eq!(fs::read_to_string(&ledger.path).unwrap(), text);
        }
    }
}
