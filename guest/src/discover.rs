//! Which PCI device holds the region: picked by what is in it, or by its address.

use std::path::Path;

use ivring_proto::layout::{MAGIC, superblock_word};
use ivring_proto::memory::Memory;

use crate::bar::{Bar, BarError};
use crate::pci::{self, Address, Device, ScanError};

/// Why no device was found that could hold the region.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The devices can't be listed.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// There is no ivshmem device.
    #[error(
        "none of the {devices} PCI devices is ivshmem (1af4:1110): give this VM one on the host, as \
        `ivring-vm-config` prints it, then power the VM off and on"
    )]
    NoDevice {
        /// How many PCI devices there are.
        devices: usize,
    },
    /// There is no device at the address asked for.
    #[error("there is no PCI device {wanted}; ivshmem devices are: {}", list(candidates))]
    NotThere {
        /// The address asked for.
        wanted: Address,
        /// All ivshmem devices.
        candidates: Vec<Address>,
    },
    /// The device asked for is another kind of device.
    #[error("PCI device {wanted} is {:04x}:{:04x}, not ivshmem (1af4:1110); ivshmem devices are: {}",
        ids.0, ids.1, list(candidates))]
    NotIvshmem {
        /// The address asked for.
        wanted: Address,
        /// Vendor and device id found there.
        ids: (u16, u16),
        /// All ivshmem devices.
        candidates: Vec<Address>,
    },
    /// Of several devices none holds a region yet.
    #[error(
        "none of the ivshmem devices {} holds an ivring region yet: start ivringd on the host, or choose one \
        with --pci",
        list(candidates)
    )]
    NoRegion {
        /// All ivshmem devices.
        candidates: Vec<Address>,
    },
    /// Several devices hold a region.
    #[error("the ivshmem devices {} all hold an ivring region: choose one with --pci", list(candidates))]
    Ambiguous {
        /// The devices that hold one.
        candidates: Vec<Address>,
    },
    /// The device's memory can't be used.
    #[error(transparent)]
    Bar(#[from] BarError),
}

impl DiscoverError {
    /// The exit code of a command that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Scan(error) => error.exit_code(),
            Self::Bar(error) => error.exit_code(),
            Self::NotIvshmem { .. } => 4,
            Self::NoDevice { .. }
            | Self::NotThere { .. }
            | Self::NoRegion { .. }
            | Self::Ambiguous { .. } => 3,
        }
    }

    /// The device whose memory has no address on the bus, if that is what is wrong.
    #[must_use]
    pub fn lacks_room(&self) -> Option<Address> {
        let Self::Bar(error) = self else { return None };
        error.lacks_room()
    }
}

/// Finds the device that holds the region, and opens its BAR 2.
///
/// That is the device at `wanted`, else the only ivshmem device, else the only one of them whose memory begins as an
/// ivring region does. Whether the region can be joined is not looked at: the host may not have formatted it yet.
///
/// # Errors
///
/// [`DiscoverError`]. All of them can pass: a device may be plugged in, a region formatted, a driver unbound.
pub fn discover(root: &Path, wanted: Option<Address>) -> Result<Bar, DiscoverError> {
    let devices = candidates(root, wanted)?;
    match &devices[..] {
        [device] => Ok(Bar::open(root, device)?),
        _ => pick_by_content(root, &devices),
    }
}

/// The devices that could hold the region, at least one: that at `wanted`, else all ivshmem devices.
pub(crate) fn candidates(root: &Path, wanted: Option<Address>) -> Result<Vec<Device>, DiscoverError> {
    let mut devices = pci::scan(root)?;
    let number = devices.len();
    let other = wanted.and_then(|wanted| devices.iter().find(|device| device.address() == wanted));
    let other = other.filter(|device| !device.is_ivshmem()).map(Device::ids);
    devices.retain(Device::is_ivshmem);
    let Some(wanted) = wanted else {
        return if devices.is_empty() {
            Err(DiscoverError::NoDevice { devices: number })
        } else {
            Ok(devices)
        };
    };
    let found = devices.iter().position(|device| device.address() == wanted);
    match (found, other) {
        (Some(index), _) => Ok(vec![devices.swap_remove(index)]),
        (None, Some(ids)) => Err(DiscoverError::NotIvshmem { wanted, ids, candidates: addresses(&devices) }),
        (None, None) => Err(DiscoverError::NotThere { wanted, candidates: addresses(&devices) }),
    }
}

/// Picks the only device whose memory starts with the magic word of a region; others may belong to another program.
fn pick_by_content(root: &Path, devices: &[Device]) -> Result<Bar, DiscoverError> {
    let mut found = Vec::new();
    let mut refused = None;
    for device in devices {
        let opened = Bar::open(root, device).and_then(|bar| Ok((bar.map_first_page()?, bar)));
        match opened {
            Ok((page, bar)) if page.load(superblock_word::MAGIC) == MAGIC => found.push(bar),
            Ok(_) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (found.len(), refused) {
        (0, Some(error)) => Err(error.into()),
        (0, None) => Err(DiscoverError::NoRegion { candidates: addresses(devices) }),
        (1, _) => Ok(found.swap_remove(0)),
        _ => {
            let candidates = found.iter().map(|bar| bar.device().address()).collect();
            Err(DiscoverError::Ambiguous { candidates })
        }
    }
}

pub(crate) fn addresses(devices: &[Device]) -> Vec<Address> {
    devices.iter().map(|device| device.address()).collect()
}

fn list(addresses: &[Address]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}
