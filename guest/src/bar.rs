//! BAR 2 of an ivshmem device, mapped: the region as a guest sees it.
//!
//! sysfs lets root map the BAR of a device without any driver: uncached by `resource2`, write-combining by `resource2_wc`
//! (Linux: drivers/pci/mmap.c, Documentation/arch/x86/pat.rst). What that means in effect is the processor's and the
//! hypervisor's choice. A file `resource2_wb` was proposed, and is taken where there is one.
//!
//! The kernel gives a page one memory type at a time. Who maps pages of which somebody else has mapped some uncached and some
//! write-combining is refused; who asks for another type than they all have gets the one they have, and is not told.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ivring_proto::layout::PAGE;
use ivring_proto::memory::{MemoryType, MixedMapping};
use nix::errno::Errno;

use crate::pci::{Address, Device};
use crate::small_file;

/// The BAR of ivshmem that is the shared memory.
const BAR: usize = 2;

/// Its file in sysfs.
const UNCACHED: &str = "resource2";
/// The file that maps it write-combining.
const COMBINING: &str = "resource2_wc";
/// The file that would map it cached.
const CACHED: &str = "resource2_wb";

/// Offset of the command register in a device's configuration space (PCI Local Bus Specification 3.0, 6.2.2).
const COMMAND: u64 = 4;
/// The bit of the command register that lets the device answer accesses to its memory BARs.
const MEMORY_SPACE: u16 = 1 << 1;
/// What every register of a device that isn't there reads as.
const ALL_ONES: u16 = 0xffff;

/// Why a device's BAR can't be mapped.
#[derive(Debug, thiserror::Error)]
pub enum BarError {
    /// The device has no BAR 2 that could be a region.
    #[error("{} says that BAR 2 has {size} bytes, which is no power of two from {PAGE} up: no shared memory; \
        give the device a memory-backend-file of the region's size", path.display())]
    NoBar {
        /// The file that describes the BARs.
        path: PathBuf,
        /// The size found; 0 when there is no BAR 2 or it is not memory.
        size: u64,
    },
    /// The BAR has no address on the bus, or its file is not as large as the BAR.
    #[error("BAR 2 of {device} has {size} bytes, but {} offers {offered}: the kernel found no room for it on the bus; \
        stop the VM and start it again with the device in place", path.display())]
    NoRoom {
        /// The device.
        device: Address,
        /// The file that would be mapped.
        path: PathBuf,
        /// Size of the BAR.
        size: u64,
        /// Bytes that can be mapped.
        offered: u64,
    },
    /// The kernel has given the BAR up: it had no room for it when the device was plugged in.
    #[error(
        "{device} has no BAR 2: the kernel found no room for it on the bus, as for a large region behind a port that \
        was empty. `ivring-agent run` makes room where nothing else is behind that port; else take a region of 1M, or \
        start the VM again with the device in place"
    )]
    GivenUp {
        /// The device.
        device: Address,
    },
    /// The device was unplugged, or sleeps.
    #[error("{} reads as all ones: the device was unplugged or is asleep", path.display())]
    Gone {
        /// The device's configuration space.
        path: PathBuf,
    },
    /// Memory decoding is off and could not be switched on.
    #[error("{} has {command:#06x} in the command register, so memory decoding (bit 1) is off and stays off; \
        try `setpci -s {device} COMMAND=2:2` as root", path.display())]
    DecodeOff {
        /// The device.
        device: Address,
        /// The device's configuration space.
        path: PathBuf,
        /// The command register.
        command: u16,
    },
    /// The caller isn't root.
    #[error("can't open {}: {source}; it is for root, and this is user {uid}: run it as root", path.display())]
    NotRoot {
        /// The file refused.
        path: PathBuf,
        /// The effective user id.
        uid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel is locked down, as it is under Secure Boot.
    #[error("can't map {}: {source}; the kernel is locked down ({mode}), which forbids access to BARs: start the VM \
        without Secure Boot, or without lockdown= in the kernel's arguments", path.display())]
    Lockdown {
        /// The file refused.
        path: PathBuf,
        /// The mode of lockdown.
        mode: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A driver holds the device.
    #[error("can't map {}: {source}; driver {driver} holds {device}: unbind it with \
        `echo {device} > /sys/bus/pci/drivers/{driver}/unbind`", path.display())]
    Claimed {
        /// The device.
        device: Address,
        /// The file refused.
        path: PathBuf,
        /// The driver that is bound.
        driver: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refuses the pages, most likely since another program has them with more than one memory type.
    #[error("can't map {}: {source}; does another program of this machine map it with another memory type? Give all of \
        them the same --memory-type", path.display())]
    Conflict {
        /// The file refused.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Anything else that the kernel reports.
    #[error("can't use {}: {source}; in a container it needs CAP_SYS_ADMIN and a writable sysfs", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BarError {
    /// The exit code of a command that fails with this: 5 where the system denied or failed, else 3.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoBar { .. }
            | Self::NoRoom { .. }
            | Self::GivenUp { .. }
            | Self::Lockdown { .. }
            | Self::Claimed { .. }
            | Self::Conflict { .. } => 3,
            Self::Gone { .. } | Self::DecodeOff { .. } | Self::NotRoot { .. } | Self::Io { .. } => 5,
        }
    }

    /// The device whose memory has no address on the bus, if that is what is wrong.
    #[must_use]
    pub fn lacks_room(&self) -> Option<Address> {
        match self {
            Self::GivenUp { device } | Self::NoRoom { device, offered: 0, .. } => Some(*device),
            _ => None,
        }
    }
}

/// BAR 2 of a device whose memory decoding is on, to be mapped.
#[derive(Debug)]
pub struct Bar {
    root: PathBuf,
    device: Device,
    size: u64,
    /// `resource2`: its pages are uncached, as far as the hypervisor lets them.
    file: File,
}

impl Bar {
    /// Opens BAR 2 of `device`, after switching its memory decoding on where that is off.
    ///
    /// `root` is where the device was found; below it stands whether the kernel is locked down.
    ///
    /// # Errors
    ///
    /// [`BarError`], each with the file, the value found and the remedy.
    pub fn open(root: &Path, device: &Device) -> Result<Self, BarError> {
        let size = size_of(device)?;
        let file = open_memory(root, device, OpenOptions::new().read(true).write(true))?;
        switch_decoding_on(device, |path, source| refused(root, device, path, source))?;
        Ok(Bar { root: root.to_owned(), device: device.clone(), size, file })
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `resource2`, open, for a mapping of one's own.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Maps all of it by `resource2`, as the memory type that it is known to be.
    ///
    /// # Errors
    ///
    /// [`BarError`].
    pub fn map(&self, memory_type: MemoryType) -> Result<MixedMapping, BarError> {
        let mapped = MixedMapping::whole(&self.file, self.size, memory_type);
        mapped.map_err(|source| self.refused(UNCACHED, source))
    }

    /// Maps the first page alone: a second type for its pages is nothing that the kernel would refuse to somebody else.
    ///
    /// # Errors
    ///
    /// [`BarError`].
    pub fn map_first_page(&self) -> Result<MixedMapping, BarError> {
        let mapped = MixedMapping::whole(&self.file, PAGE, MemoryType::Uncached);
        mapped.map_err(|source| self.refused(UNCACHED, source))
    }

    /// Maps all of it by `resource2_wb`, whose pages are cached; `None` without that file, which no kernel has so far.
    ///
    /// # Errors
    ///
    /// [`BarError`].
    pub fn map_cached(&self) -> Result<Option<MixedMapping>, BarError> {
        let Some(file) = self.other(CACHED)? else { return Ok(None) };
        let mapped = MixedMapping::whole(&file, self.size, MemoryType::WriteBack);
        mapped.map(Some).map_err(|source| self.refused(CACHED, source))
    }

    /// Maps it uncached before `boundary` and write-combining from there on, by `resource2_wc`.
    ///
    /// # Errors
    ///
    /// [`BarError`].
    pub fn map_combining(&self, boundary: u64) -> Result<MixedMapping, BarError> {
        let file = self.other(COMBINING)?;
        let file = file.ok_or_else(|| self.refused(COMBINING, io::ErrorKind::NotFound.into()))?;
        let mapped = MixedMapping::split(&self.file, &file, self.size, boundary);
        mapped.map_err(|source| self.refused(COMBINING, source))
    }

    /// Whether the kernel offers to map it write-combining: it does for prefetchable BARs.
    #[must_use]
    pub fn can_combine(&self) -> bool {
        self.device.directory().join(COMBINING).exists()
    }

    /// Another file that shows the same bytes, if there is one.
    fn other(&self, name: &str) -> Result<Option<File>, BarError> {
        match OpenOptions::new().read(true).write(true).open(self.device.directory().join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.refused(name, source)),
        }
    }

    fn refused(&self, file: &str, source: io::Error) -> BarError {
        refused(&self.root, &self.device, &self.device.directory().join(file), source)
    }
}

/// Why the kernel refuses a file of `device`, of the machine whose files are below `root`.
pub(crate) fn refused(root: &Path, device: &Device, path: &Path, source: io::Error) -> BarError {
    explain(device, path, source, nix::unistd::geteuid().as_raw(), lockdown(root))
}

/// The size of the device's BAR 2, if that can be a region.
pub(crate) fn size_of(device: &Device) -> Result<u64, BarError> {
    let bar = device.bars()[BAR];
    // Every ivshmem device has one: the kernel forgets those that it finds no room for.
    if bar.is_absent() {
        return Err(BarError::GivenUp { device: device.address() });
    }
    if !bar.is_memory() || bar.size() < PAGE || !bar.size().is_power_of_two() {
        let size = if bar.is_memory() { bar.size() } else { 0 };
        return Err(BarError::NoBar { path: device.directory().join("resource"), size });
    }
    Ok(bar.size())
}

/// Opens `resource2` of a device whose BAR 2 can be a region, if all of it can be mapped.
pub(crate) fn open_memory(root: &Path, device: &Device, how: &OpenOptions) -> Result<File, BarError> {
    let bar = device.bars()[BAR];
    let path = device.directory().join(UNCACHED);
    let opened = how.open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (offered, file) = opened.map_err(|source| refused(root, device, &path, source))?;
    if !bar.is_assigned() || offered != bar.size() {
        let offered = if bar.is_assigned() { offered } else { 0 };
        return Err(BarError::NoRoom { device: device.address(), path, size: bar.size(), offered });
    }
    Ok(file)
}

/// Whether the device answers accesses to its memory BARs; and its command register.
pub(crate) fn decodes(root: &Path, device: &Device) -> Result<(bool, u16), BarError> {
    let path = device.directory().join("config");
    let command = command(&path, &|path, source| refused(root, device, path, source))?;
    Ok((command & MEMORY_SPACE != 0, command))
}

/// Reads the command register of the device whose configuration space is at `path`.
fn command(path: &Path, refused: &impl Fn(&Path, io::Error) -> BarError) -> Result<u16, BarError> {
    let mut register = [0; 2];
    let config = File::open(path).map_err(|source| refused(path, source))?;
    config.read_exact_at(&mut register, COMMAND).map_err(|source| refused(path, source))?;
    match u16::from_le_bytes(register) {
        ALL_ONES => Err(BarError::Gone { path: path.to_owned() }),
        command => Ok(command),
    }
}

/// Makes sure that the device answers accesses to its memory: without that a load reads all ones or kills the process.
fn switch_decoding_on(
    device: &Device,
    refused: impl Fn(&Path, io::Error) -> BarError,
) -> Result<(), BarError> {
    let path = device.directory().join("config");
    let command = || command(&path, &refused);
    let decodes = |command: u16| command & MEMORY_SPACE != 0;
    if decodes(command()?) {
        return Ok(());
    }

    // The kernel's own way first: it also wakes the device. It does nothing for a device that counts as enabled
    // already, and takes CAP_SYS_ADMIN (enable_store() in drivers/pci/pci-sysfs.c), which a service need not have: the
    // register afterwards takes no more than the file's owner.
    let enable = device.directory().join("enable");
    let write = |path: &Path, at: u64, bytes: &[u8]| {
        OpenOptions::new().write(true).open(path)?.write_all_at(bytes, at)
    };
    let enabled = write(&enable, 0, b"1");
    let mut now = command()?;
    if !decodes(now) {
        let written = write(&path, COMMAND, &(now | MEMORY_SPACE).to_le_bytes());
        written.map_err(|source| refused(&path, source))?;
        now = command()?;
    }
    if let (Err(source), false) = (enabled, decodes(now)) {
        return Err(refused(&enable, source));
    }
    if !decodes(now) {
        return Err(BarError::DecodeOff { device: device.address(), path, command: now });
    }
    tracing::info!("switched memory decoding of {} on", device.address());
    Ok(())
}

/// The mode of kernel lockdown, when one is in force and can be read.
fn lockdown(root: &Path) -> Option<String> {
    let text = small_file::read(&root.join("sys/kernel/security/lockdown")).ok()?;
    // All modes are listed, the chosen one in brackets: "none [integrity] confidentiality".
    let mode = text.split_once('[')?.1.split_once(']')?.0;
    (mode != "none").then(|| mode.to_owned())
}

/// Tells the reasons apart for which the kernel refuses a device's file.
fn explain(device: &Device, path: &Path, source: io::Error, uid: u32, lockdown: Option<String>) -> BarError {
    let path = path.to_owned();
    match (source.raw_os_error().map(Errno::from_raw), lockdown, device.driver()) {
        (Some(Errno::EACCES | Errno::EPERM), _, _) if uid != 0 => BarError::NotRoot { path, uid, source },
        // security_locked_down() answers EPERM, whoever asks.
        (Some(Errno::EPERM), Some(mode), _) => BarError::Lockdown { path, mode, source },
        // Writing `enable` answers EBUSY while a driver is bound, mapping EINVAL while it holds the BAR exclusively.
        (Some(Errno::EBUSY | Errno::EINVAL), _, Some(driver)) => {
            BarError::Claimed { device: device.address(), path, driver: driver.to_owned(), source }
        }
        // remap_pfn_range() makes EINVAL of the EBUSY that a conflict of memory types is.
        (Some(Errno::EBUSY | Errno::EINVAL), _, None) => BarError::Conflict { path, source },
        _ => BarError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE2: &str = "/sys/bus/pci/devices/0000:00:1f.0/resource2";

    /// What is told when user `uid` gets `errno`.
    fn told(driver: Option<&str>, errno: Errno, uid: u32, lockdown: Option<&str>) -> BarError {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("sys/bus/pci/devices/0000:00:1f.0");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("vendor"), "0x1af4").unwrap();
        std::fs::write(directory.join("device"), "0x1110").unwrap();
        if let Some(driver) = driver {
            std::os::unix::fs::symlink(driver, directory.join("driver")).unwrap();
        }
        let device = &crate::pci::scan(root.path()).unwrap()[0];
        explain(device, Path::new(RESOURCE2), errno.into(), uid, lockdown.map(str::to_owned))
    }

    #[test]
    fn the_kernels_refusals_are_told_apart() {
        use Errno::{EACCES, EBUSY, EINVAL, EIO, EPERM, EROFS};
        let integrity = Some("integrity");
        let bound = Some("../drivers/kvmfr");
        for (error, exit_code, says) in [
            (told(None, EACCES, 1000, None), 5, "user 1000"),
            (told(None, EPERM, 1000, integrity), 5, "user 1000"),
            (told(None, EPERM, 0, integrity), 3, "locked down (integrity)"),
            (told(bound, EPERM, 0, integrity), 3, "locked down (integrity)"),
            (told(bound, EINVAL, 0, None), 3, "echo 0000:00:1f.0 > /sys/bus/pci/drivers/kvmfr/unbind"),
            (told(bound, EBUSY, 0, integrity), 3, "driver kvmfr holds 0000:00:1f.0"),
            (told(None, EPERM, 0, None), 5, "CAP_SYS_ADMIN"),
            (told(None, EINVAL, 0, None), 3, "the same --memory-type"),
            (told(None, EBUSY, 0, None), 3, "the same --memory-type"),
            (told(None, EROFS, 0, None), 5, "Read-only file system"),
            (told(bound, EIO, 0, None), 5, "Input/output error"),
        ] {
            let text = error.to_string();
            assert_eq!(error.exit_code(), exit_code, "{text}");
            assert!(text.contains(says) && text.contains(RESOURCE2), "{text}");
        }
    }

    #[test]
    fn lockdown_is_the_mode_in_brackets() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("sys/kernel/security/lockdown");
        assert_eq!(lockdown(root.path()), None);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (text, mode) in [
            ("[none] integrity confidentiality\n", None),
            ("none [integrity] confidentiality\n", Some("integrity")),
            ("none integrity [confidentiality]\n", Some("confidentiality")),
            ("] odd [", None),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(lockdown(root.path()).as_deref(), mode);
        }
    }
}
