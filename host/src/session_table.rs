//! The sessions of a region, kept outside it: a directory that a guest has scribbled over costs nothing at a restart.
//!
//! The table also says which virtual machines have been seen, for only of those can it be proved that they are gone. It
//! belongs to one file: another inode or another generation, and it is not believed.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ivring_proto::layout::Version;
use ivring_proto::session::{Binding, Identity, Port, Text, Uuid};
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::region_file::RegionFile;

/// Longest table that is read, in bytes. 255 sessions are 100 KiB; the rest is for machines that were sighted.
const LONGEST: u64 = 4 << 20;

/// What is kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    device: u64,
    inode: u64,
    generation: u64,
    sessions: Vec<Session>,
    sighted: Vec<String>,
}

/// One session, in types that JSON has.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    channel: u64,
    uuid: String,
    port: String,
    name: String,
    boot: String,
    nonce: u64,
    salt: u64,
    to_guest_salt: u64,
    version: u32,
    features: u64,
}

impl Session {
    fn new(channel: u64, binding: &Binding) -> Self {
        Session {
            channel,
            uuid: binding.identity.uuid.to_string(),
            port: binding.identity.port.to_string(),
            name: binding.name.to_string(),
            boot: binding.boot.to_string(),
            nonce: binding.nonce,
            salt: binding.salt,
            to_guest_salt: binding.to_guest_salt,
            version: binding.version.to_bits(),
            features: binding.features,
        }
    }

    fn binding(&self) -> Option<Binding> {
        Some(Binding {
            identity: Identity { uuid: self.uuid.parse().ok()?, port: Port::new(&self.port).ok()? },
            name: Text::truncated(&self.name),
            boot: self.boot.parse().ok()?,
            nonce: self.nonce,
            salt: self.salt,
            to_guest_salt: self.to_guest_salt,
            version: Version::from_bits(self.version),
            features: self.features,
        })
    }
}

/// The table's file, and what was last written to it.
#[derive(Debug)]
pub(crate) struct SessionTable {
    path: PathBuf,
    table: Table,
}

impl SessionTable {
    /// Reads the table of `region` in `folder`. One that is missing, damaged, somebody else's or of another region is an
    /// empty one.
    pub(crate) fn open(folder: &Path, region: &RegionFile, generation: u64) -> io::Result<Self> {
        let name = region.path().file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{name}.sessions"));
        let file = region.file().metadata()?;
        let empty = Table { device: file.dev(), inode: file.ino(), generation, ..Table::default() };
        let found = match read_own(&path) {
            Ok(bytes) => serde_json::from_slice::<Table>(&bytes)
                .inspect_err(|error| tracing::warn!("{}: left out: {error}", path.display()))
                .ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("{}: left out: {error}", path.display());
                None
            }
        };
        let same = |table: &Table| {
            (table.device, table.inode, table.generation) == (empty.device, empty.inode, empty.generation)
        };
        let table = found.filter(same).unwrap_or(empty);
        Ok(SessionTable { path, table })
    }

    /// The session that `channel` had.
    pub(crate) fn session(&self, channel: u64) -> Option<Binding> {
        self.table.sessions.iter().find(|session| session.channel == channel)?.binding()
    }

    /// The virtual machines that were seen.
    pub(crate) fn sighted(&self) -> impl Iterator<Item = Uuid> {
        self.table.sighted.iter().filter_map(|uuid| uuid.parse().ok())
    }

    /// Writes the table, whole or not at all, when it has changed.
    pub(crate) fn keep<'a>(
        &mut self,
        sessions: impl Iterator<Item = (u64, &'a Binding)>,
        sighted: impl Iterator<Item = Uuid>,
    ) -> io::Result<()> {
        let table = Table {
            sessions: sessions.map(|(channel, binding)| Session::new(channel, binding)).collect(),
            sighted: sighted.map(|uuid| uuid.to_string()).collect(),
            ..self.table
        };
        if table == self.table {
            return Ok(());
        }
        let new = self.path.with_extension("sessions.new");
        // Made new each time, never written through: in a folder that others may write to it could be a link.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&table)?)?;
        std::fs::rename(&new, &self.path)?;
        self.table = table;
        Ok(())
    }
}

/// Reads a file that this user wrote, or root. Nothing else is believed: the folder may be one that others can write to.
fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    // O_NONBLOCK: a FIFO in its place must not stop us here.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || ![geteuid().as_raw(), 0].contains(&metadata.uid()) {
        return Err(io::Error::other(format!("no file of user {} or root", geteuid())));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("more than {LONGEST} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn binding(nonce: u64) -> Binding {
        Binding {
            identity: Identity { uuid: Uuid::from_u128(1), port: Port::agent() },
            name: Text::truncated("web1"),
            boot: Uuid::from_u128(2),
            nonce,
            salt: 3,
            to_guest_salt: 4,
            version: Version::CURRENT,
            features: 0,
        }
    }

    #[test]
    fn what_was_kept_is_found_again_for_the_same_region_only() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("region");
        let region = RegionFile::open(&at, Some(1 << 20)).unwrap();
        let mut table = SessionTable::open(folder.path(), &region, 1).unwrap();
        assert_eq!(table.session(3), None);
        table.keep([(3, &binding(u64::MAX))].into_iter(), [Uuid::from_u128(9)].into_iter()).unwrap();
        let again = SessionTable::open(folder.path(), &region, 1).unwrap();
        assert_eq!(again.session(3), Some(binding(u64::MAX)));
        assert_eq!(again.sighted().collect::<Vec<_>>(), [Uuid::from_u128(9)]);
        assert_eq!(SessionTable::open(folder.path(), &region, 2).unwrap().session(3), None);
    }

    #[test]
    fn what_is_no_table_of_ours_is_an_empty_one_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let region = RegionFile::open(&folder.path().join("region"), Some(1 << 20)).unwrap();
        let path = folder.path().join("region.sessions");
        let mut table = SessionTable::open(folder.path(), &region, 1).unwrap();
        table.keep([(0, &binding(1))].into_iter(), [].into_iter()).unwrap();
        let good = std::fs::read(&path).unwrap();
        let elsewhere = folder.path().join("elsewhere");

        type Spoil<'a> = &'a dyn Fn();
        let spoils: [(&str, Spoil); 6] = [
            ("cut", &|| std::fs::write(&path, &good[..good.len() / 2]).unwrap()),
            ("garbage", &|| std::fs::write(&path, [0xff; 1000]).unwrap()),
            ("endless", &|| File::create(&path).unwrap().set_len(1 << 40).unwrap()),
            ("a link", &|| {
                std::fs::write(&elsewhere, &good).unwrap();
                std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
            }),
            ("a FIFO", &|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap()),
            ("somebody's", &|| {
                std::fs::write(&path, &good).unwrap();
                if geteuid().is_root() {
                    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
                } else {
                    std::fs::write(&path, "").unwrap();
                }
            }),
        ];
        for (what, spoil) in spoils {
            std::fs::remove_file(&path).unwrap();
            spoil();
            let mut table = SessionTable::open(folder.path(), &region, 1).unwrap();
            assert_eq!(table.session(0), None, "{what}");
            table.keep([(0, &binding(1))].into_iter(), [].into_iter()).unwrap();
            let again = SessionTable::open(folder.path(), &region, 1).unwrap();
            assert_eq!(again.session(0), Some(binding(1)), "{what}");
        }
        assert_eq!(std::fs::read(&elsewhere).unwrap(), good, "written through the link");
    }
}
