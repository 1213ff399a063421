//! The plain memory that both ends see: raw lines and the bare ring at its beginning, and where they meet at its end.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use ivring_guest::{bar::Bar, pci};
use ivring_proto::{layout::PAGE, memory::MappedFile};

use crate::failure::Failure;

/// Size in bytes: two rings of 1 MiB and what belongs to them, as a power of two.
pub(crate) const SIZE: u64 = 4 << 20;
/// Where the two ends meet.
pub(crate) const MEETING: u64 = SIZE - PAGE;
/// The slot of its device on the guest's PCI bus.
pub(crate) const SLOT: u8 = 0x1e;
/// Its address in the guest.
const ADDRESS: &str = "0000:00:1e.0";
/// Zeros are written so many bytes at a time.
const ZEROS: usize = 64 * 1024;

/// The host's end.
#[derive(Debug)]
pub(crate) struct Area {
    file: File,
    memory: MappedFile,
}

impl Area {
    /// Makes the file at `path`, which QEMU then finds.
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        let failed = || Failure::io("memory of the device");
        let file = File::options().read(true).write(true).create_new(true).open(path).map_err(failed())?;
        file.set_len(SIZE).map_err(failed())?;
        let memory = MappedFile::map(&file, SIZE).map_err(failed())?;
        Ok(Self { file, memory })
    }

    /// The memory, all of it zero again. Nobody in the guest may use it now.
    pub(crate) fn fresh(&self) -> Result<MappedFile, Failure> {
        let zeros = [0; ZEROS];
        for offset in (0..SIZE).step_by(ZEROS) {
            self.file.write_all_at(&zeros, offset).map_err(Failure::io("memory of the device"))?;
        }
        Ok(self.memory.clone())
    }
}

/// The guest's end.
pub(crate) fn in_guest() -> Result<MappedFile, Failure> {
    let refused = |what: String| Failure::Peer { peer: "ivshmem", what };
    let root = PathBuf::from("/");
    let devices = pci::scan(&root).map_err(|error| refused(error.to_string()))?;
    let device = devices.iter().find(|device| device.address().to_string() == ADDRESS);
    let device = device.ok_or_else(|| refused(format!("no device {ADDRESS}")))?;
    let bar = Bar::open(&root, device).map_err(|error| refused(error.to_string()))?;
    MappedFile::map(bar.file(), bar.size()).map_err(Failure::io("memory of the device"))
}
