//! Why a device was not plugged in or out.

use thiserror::Error;

use super::{FileError, MonitorError};

/// Why a device was not plugged in or out, or could not be looked for.
#[derive(Debug, Error)]
pub enum QmpError {
    /// The monitor.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The QEMU belongs to libvirt.
    #[error(
        "{evidence}: libvirt would not know of the device; use ivring-vm-config apply --live DOMAIN, and remove --live"
    )]
    Libvirt {
        /// How it is known.
        evidence: String,
    },
    /// The region's file.
    #[error(transparent)]
    File(#[from] FileError),
    /// This QEMU has no such device.
    #[error(
        "QEMU {version} has no ivshmem-plain: its distribution leaves it out, or it is older than 2.6; start the \
         machine with another QEMU"
    )]
    NoIvshmem {
        /// Its version.
        version: String,
    },
    /// The machine has another device, or other memory, for the region.
    #[error("{what}: take it out with ivring-vm-config qmp detach, then attach again")]
    Differs {
        /// What is there, and how it differs.
        what: String,
    },
    /// Nothing can be plugged in anywhere.
    #[error("{machine} has no place where a device can be plugged in while it runs: {why}")]
    NoPlace {
        /// The machine type.
        machine: String,
        /// What each bus lacks, and what helps.
        why: String,
    },
    /// There is no such bus.
    #[error("there is no PCI bus {bus:?} in this machine; it has {buses}")]
    NoSuchBus {
        /// The bus that was asked for.
        bus: String,
        /// All buses.
        buses: String,
    },
    /// The place that was asked for.
    #[error("nothing can be plugged in there: {why}")]
    NotThere {
        /// Why.
        why: String,
    },
    /// QEMU has the device, but it is not as it was asked for.
    #[error("QEMU took the device, but {what}")]
    NotAsAsked {
        /// What is wrong with it.
        what: String,
    },
    /// QEMU sees another `/dev/shm`.
    #[error(
        "QEMU has not the {path} that is here: it has a /dev/shm of its own, as in a container; give it this one, or run \
         this and ivringd in there"
    )]
    Elsewhere {
        /// The region's file.
        path: String,
    },
    /// A step failed and what was done before it could not be taken back.
    #[error("{error}; and taking back what was done failed: {left}; run qmp detach later")]
    Left {
        /// Why it was to be taken back.
        error: Box<QmpError>,
        /// What is left, and why.
        left: String,
    },
}

impl QmpError {
    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Monitor(error) => error.code(),
            Self::Libvirt { .. } => "libvirt-owned",
            Self::File(_) => "file",
            Self::NoIvshmem { .. } => "no-ivshmem",
            Self::Differs { .. } => "differs",
            Self::NoPlace { .. } => "no-hot-plug",
            Self::NoSuchBus { .. } => "no-such-bus",
            Self::NotThere { .. } => "no-hot-plug-at",
            Self::NotAsAsked { .. } => "not-as-asked",
            Self::Elsewhere { .. } => "elsewhere",
            Self::Left { .. } => "left",
        }
    }

    /// Whether it is a refusal, and not a failure of something that should have worked.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Monitor(MonitorError::Refused { .. }) => true,
            Self::Monitor(_) | Self::NotAsAsked { .. } | Self::Left { .. } => false,
            Self::File(error) => !matches!(error, FileError::Io { .. }),
            _ => true,
        }
    }
}
