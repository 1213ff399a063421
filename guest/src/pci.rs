//! The PCI devices of this machine, as sysfs shows them.
//!
//! Sources: Linux's Documentation/PCI/sysfs-pci.rst for the files, QEMU's docs/specs/ivshmem-spec.rst for the device.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use pci_ids::FromId;

mod address;
mod resource;

pub use address::{Address, AddressError};
pub use resource::{BARS, Resource};

use crate::small_file;

/// Vendor of the ivshmem device: Red Hat, as for all virtual devices of QEMU.
pub const IVSHMEM_VENDOR: u16 = 0x1af4;
/// Device id of ivshmem.
pub const IVSHMEM_DEVICE: u16 = 0x1110;

/// One PCI function and what its files in sysfs say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    address: Address,
    directory: PathBuf,
    vendor: u16,
    device: u16,
    subsystem_vendor: u16,
    subsystem_device: u16,
    revision: u8,
    class: u32,
    bars: [Resource; BARS],
    enabled: bool,
    driver: Option<String>,
}

/// Why the devices can't be listed.
#[derive(Debug, thiserror::Error)]
#[error("can't list {}: {source}; it needs a machine with a PCI bus and sysfs mounted", path.display())]
pub struct ScanError {
    path: PathBuf,
    source: io::Error,
}

impl ScanError {
    /// The exit code of a command that fails with this: 5.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        5
    }
}

/// Lists every PCI device of the sysfs below `root` (normally `/`), sorted by address.
///
/// A device whose ids can't be read, say because it is being unplugged, is left out, with a line in the debug log.
///
/// # Errors
///
/// [`ScanError`] when the directory of devices can't be read.
pub fn scan(root: &Path) -> Result<Vec<Device>, ScanError> {
    let path = root.join("sys/bus/pci/devices");
    let entries = path.read_dir().map_err(|source| ScanError { path: path.clone(), source })?;
    let mut devices: Vec<Device> = entries
        .filter_map(|entry| {
            let directory = entry.ok()?.path();
            Device::read(&directory)
                .inspect_err(|error| tracing::debug!("left out {}: {error}", directory.display()))
                .ok()
        })
        .collect();
    devices.sort_by_key(Device::address);
    Ok(devices)
}

impl Device {
    /// Reads the files of the device with this directory. Only the ids are needed, all else may be missing.
    fn read(directory: &Path) -> io::Result<Self> {
        let name = directory.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let address = name.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let number = |file: &str| {
            let text = small_file::read(&directory.join(file))?;
            hexadecimal(&text).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{file} says '{}'", text.escape_debug()))
            })
        };
        let id = |file: &str| {
            u16::try_from(number(file)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        };
        Ok(Self {
            address,
            vendor: id("vendor")?,
            device: id("device")?,
            subsystem_vendor: id("subsystem_vendor").unwrap_or(0),
            subsystem_device: id("subsystem_device").unwrap_or(0),
            revision: number("revision").ok().and_then(|number| u8::try_from(number).ok()).unwrap_or(0),
            class: number("class").ok().and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
            bars: resource::parse(&small_file::read(&directory.join("resource")).unwrap_or_default()),
            enabled: small_file::read(&directory.join("enable")).is_ok_and(|text| text != "0"),
            driver: driver(directory),
            directory: directory.to_owned(),
        })
    }

    /// Whether this is an ivshmem device, which is what an ivring region looks like to a guest.
    #[must_use]
    pub fn is_ivshmem(&self) -> bool {
        (self.vendor, self.device) == (IVSHMEM_VENDOR, IVSHMEM_DEVICE)
    }

    /// Its address on the bus.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its directory in sysfs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Vendor and device id.
    #[must_use]
    pub fn ids(&self) -> (u16, u16) {
        (self.vendor, self.device)
    }

    /// Vendor and device id of the subsystem; zeros when it has none.
    #[must_use]
    pub fn subsystem_ids(&self) -> (u16, u16) {
        (self.subsystem_vendor, self.subsystem_device)
    }

    /// Revision; ivshmem devices of QEMU 2.6 and later have 1.
    #[must_use]
    pub fn revision(&self) -> u8 {
        self.revision
    }

    /// Class, subclass and programming interface, a byte each, the class highest.
    #[must_use]
    pub fn class(&self) -> u32 {
        self.class
    }

    /// Its BARs; those it does not have are of size 0.
    #[must_use]
    pub fn bars(&self) -> &[Resource; BARS] {
        &self.bars
    }

    /// Whether a driver or a user has enabled it. Firmware may have switched memory decoding on without that.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Name of the driver that is bound to it.
    #[must_use]
    pub fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// Name of the vendor in the PCI id list.
    #[must_use]
    pub fn vendor_name(&self) -> Option<&'static str> {
        pci_ids::Vendor::from_id(self.vendor).map(pci_ids::Vendor::name)
    }

    /// Name of the device in the PCI id list.
    #[must_use]
    pub fn device_name(&self) -> Option<&'static str> {
        pci_ids::Device::from_vid_pid(self.vendor, self.device).map(pci_ids::Device::name)
    }

    /// Name of the class in the PCI id list: of the subclass where that is known.
    #[must_use]
    pub fn class_name(&self) -> Option<&'static str> {
        let [_, class, subclass, _] = self.class.to_be_bytes();
        pci_ids::Subclass::from_cid_sid(class, subclass)
            .map(pci_ids::Subclass::name)
            .or_else(|| pci_ids::Class::from_id(class).map(pci_ids::Class::name))
    }
}

fn driver(directory: &Path) -> Option<String> {
    let target = directory.join("driver").read_link().ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

/// A number as sysfs writes it, `0x1af4`.
fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}
