//! What the device and its memory are called inside QEMU.

use crate::Shmem;

/// What the device and its memory are called inside QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// The device.
    pub device: String,
    /// Its memory, as `qemu-args` calls it.
    pub backend: String,
}

impl Ids {
    /// Those of the device for `region`. The characters of a region's name are all taken in an id of QEMU's, which begins
    /// with a letter.
    #[must_use]
    pub fn of(region: &Shmem) -> Self {
        Self { device: format!("ivring-{}", region.name()), backend: format!("shmem-{}", region.name()) }
    }
}
