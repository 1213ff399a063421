//! Who this guest is: the UUID that its channel is bound to, the boot it lives in and the name it goes by.

use std::io;
use std::path::{Path, PathBuf};

use ivring_proto::layout::NAME_LEN;
use uuid::{Uuid, uuid};

use crate::small_file;

/// The VM's UUID as the hypervisor gives it. Only root may read it.
///
/// SMBIOS 2.6 and later store the first three fields little-endian. Linux undoes that, so the text here is the one given
/// to QEMU as `-uuid` and to libvirt as `<uuid>`.
const PRODUCT_UUID: &str = "sys/class/dmi/id/product_uuid";
/// The installation's own id. Clones of one disk image share it unless it was cleared before.
const MACHINE_ID: &str = "etc/machine-id";
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";
const HOSTNAME: &str = "proc/sys/kernel/hostname";

/// A sample in the firmware's source that boards carry whose makers never set their own.
const SAMPLE: Uuid = uuid!("03000200-0400-0500-0006-000700080009");

/// Who this guest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// UUID of the VM.
    pub uuid: Uuid,
    /// Where the UUID comes from.
    pub source: Source,
    /// Id of this boot of the kernel: how the host tells a reboot from a restart of the program.
    pub boot: Uuid,
    /// The name for people, at most 64 bytes. Nothing depends on it.
    pub name: String,
}

/// Where a UUID comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was given.
    Given,
    /// The hypervisor's SMBIOS tables.
    Smbios,
    /// /etc/machine-id.
    MachineId,
}

/// Why it can't be said who this guest is.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// There is no UUID to be found.
    #[error("this machine has no UUID of its own ({}); give one with --id", reasons.join("; "))]
    NoUuid {
        /// What is wrong with each place where it could be.
        reasons: Vec<String>,
    },
    /// The UUID given is one that names no machine.
    #[error("{uuid} names no machine, many carry it: choose a random one, as `uuidgen` prints")]
    Placeholder {
        /// The UUID.
        uuid: Uuid,
    },
    /// The boot's id can't be read.
    #[error("can't read the id of this boot from {}: {source}; mount proc", path.display())]
    NoBoot {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The name given does not fit.
    #[error("name '{name}' has {length} bytes, allowed are 1 to {NAME_LEN}")]
    Name {
        /// The name.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
}

impl IdentifyError {
    /// The exit code of a command that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoUuid { .. } => 3,
            Self::Placeholder { .. } | Self::Name { .. } => 4,
            Self::NoBoot { .. } => 5,
        }
    }
}

/// Finds out who this guest is from the files below `root` (normally `/`).
///
/// The UUID is `id` where that is given, else the one in SMBIOS, else the machine id. The name is `name` or else the
/// host name.
///
/// # Errors
///
/// [`IdentifyError`] when no place has a UUID, there is no boot id, or what was given can't be used.
pub fn identify(root: &Path, id: Option<Uuid>, name: Option<&str>) -> Result<Machine, IdentifyError> {
    let (uuid, source) = match id {
        Some(uuid) if is_placeholder(uuid) => return Err(IdentifyError::Placeholder { uuid }),
        Some(uuid) => (uuid, Source::Given),
        None => find_uuid(root)?,
    };
    Ok(Machine { uuid, source, boot: boot(root)?, name: choose_name(root, uuid, name)? })
}

/// Whether many machines carry this UUID, so that it names none.
fn is_placeholder(uuid: Uuid) -> bool {
    uuid.is_nil() || uuid.is_max() || uuid == SAMPLE
}

fn find_uuid(root: &Path) -> Result<(Uuid, Source), IdentifyError> {
    let mut reasons = Vec::new();
    for (file, source) in [(PRODUCT_UUID, Source::Smbios), (MACHINE_ID, Source::MachineId)] {
        let path = root.join(file);
        match read_uuid(&path) {
            Ok(uuid) if is_placeholder(uuid) => {
                reasons.push(format!("{} says {uuid}, which many machines carry", path.display()));
            }
            Ok(uuid) => {
                for reason in &reasons {
                    tracing::info!("the UUID comes from {}, because {reason}", path.display());
                }
                return Ok((uuid, source));
            }
            Err(error) => reasons.push(format!("{}: {error}", path.display())),
        }
    }
    Err(IdentifyError::NoUuid { reasons })
}

fn boot(root: &Path) -> Result<Uuid, IdentifyError> {
    let path = root.join(BOOT_ID);
    read_uuid(&path).map_err(|source| IdentifyError::NoBoot { path, source })
}

fn read_uuid(path: &Path) -> io::Result<Uuid> {
    let text = small_file::read(path)?;
    Uuid::try_parse(&text).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, format!("'{}' is no UUID", text.escape_debug()))
    })
}

fn choose_name(root: &Path, uuid: Uuid, given: Option<&str>) -> Result<String, IdentifyError> {
    if let Some(name) = given {
        let length = name.len();
        return match length {
            1..=NAME_LEN => Ok(name.to_owned()),
            _ => Err(IdentifyError::Name { name: name.to_owned(), length }),
        };
    }
    let mut name = small_file::read(&root.join(HOSTNAME)).unwrap_or_default();
    // The kernel's own name for a machine that nobody named.
    if name.is_empty() || name == "(none)" {
        name = format!("guest-{}", &uuid.to_string()[..8]);
    }
    name.truncate(name.floor_char_boundary(NAME_LEN));
    Ok(name)
}
