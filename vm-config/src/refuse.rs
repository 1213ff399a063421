//! Why a domain is left as it is: every refusal, with what to do next.

use thiserror::Error;

use crate::{PciAddress, Position};

/// Why a domain is left as it is, and where in its XML the reason is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// Where in the XML it is, if it is at a place.
    pub at: Option<Position>,
}

/// Why a domain is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// A domain that QEMU under Linux does not run.
    #[error("a domain of type {kind:?}: only qemu and kvm have ivshmem; leave it out")]
    Kind {
        /// The type.
        kind: String,
    },
    /// QEMU has no ivshmem for the architecture.
    #[error("QEMU has no ivshmem for the architecture {arch:?}: leave the domain out")]
    Arch {
        /// The architecture.
        arch: String,
    },
    /// The machine has no PCI bus.
    #[error(
        "the machine type {machine:?} has no PCI bus, and ivshmem is a PCI device: give the domain another machine"
    )]
    NoPci {
        /// The machine type.
        machine: String,
    },
    /// A region of its own is asked for, and the domain has no UUID to name it by.
    #[error("the domain has no <uuid> to name its own region by: define it first, or leave out --per-domain")]
    NoUuid,
    /// A `<uuid>` that is none.
    #[error("{0:?} is no UUID to name a region by: correct it, or leave out --per-domain")]
    BadUuid(String),
    /// A device for the same region that is another than the one asked for.
    #[error(
        "the domain has a device for {name} that differs: {differences}; --on-conflict replace puts the one asked for \
         in its place, --on-conflict keep leaves it"
    )]
    Differs {
        /// The region.
        name: String,
        /// How they differ.
        differences: String,
    },
    /// More than one device for the same region.
    #[error(
        "the domain has {count} devices for {name}, the first at {first}; --on-conflict replace leaves one"
    )]
    Duplicate {
        /// The region.
        name: String,
        /// How many.
        count: usize,
        /// Where the first is.
        first: Position,
    },
    /// The device is given to QEMU past libvirt.
    #[error(
        "the domain has {name} already, in <qemu:commandline>, where libvirt does not see it: take the -object and \
         -device arguments out first, or use --on-conflict keep"
    )]
    OnCommandLine {
        /// The region.
        name: String,
    },
    /// Another device has the alias.
    #[error("another device has the alias {alias} already: choose one with --alias")]
    AliasTaken {
        /// The alias.
        alias: String,
    },
    /// Another device has the address.
    #[error(
        "{address} is taken by <{occupant}> at {at}: choose another, or --slot auto to let libvirt choose"
    )]
    AddressTaken {
        /// The address.
        address: PciAddress,
        /// The name of the other device's element or driver.
        occupant: String,
        /// Where it is.
        at: Position,
    },
    /// The slot belongs to the machine itself.
    #[error(
        "slot {slot:#x} of bus 0 belongs to {owner} of this machine type: use --slot auto to let libvirt choose, or \
         --slot exact:00:10.0"
    )]
    MachineSlot {
        /// The slot.
        slot: u8,
        /// Whose it is.
        owner: &'static str,
    },
    /// The bus does not exist; libvirt would make one of another number.
    #[error(
        "the domain has no PCI controller with index {bus}, and libvirt would add one of its own numbering: use --slot \
         auto, or add the controller first"
    )]
    NoSuchBus {
        /// The index.
        bus: u8,
    },
    /// Only slot 0, function 0 exists on the bus.
    #[error(
        "behind the {model} with index {bus} only {bus:02x}:00.0 exists: the guest would not see {address}"
    )]
    OnlySlotZero {
        /// The index.
        bus: u8,
        /// The model of its controller.
        model: String,
        /// The address asked for.
        address: PciAddress,
    },
    /// Slot 0 of such a bus is no place for a device.
    #[error(
        "slot 0 of bus {bus} ({model}) is no place for a device: take a slot from 1 to 31, or --slot auto"
    )]
    NoSlotZero {
        /// The index.
        bus: u8,
        /// The model of its controller.
        model: String,
    },
    /// The bus takes bridges only.
    #[error("the {model} with index {bus} takes bridges only: use --slot auto")]
    BridgesOnly {
        /// The index.
        bus: u8,
        /// The model of its controller.
        model: String,
    },
    /// No slot and no function is left.
    #[error(
        "no PCI slot of bus 0 is free: add <controller type='pci' model='pci-bridge'/>, or move devices together"
    )]
    Full,
    /// A `pc` without ACPI, which takes no device while it runs.
    #[error(
        "a running pc without <features><acpi/></features> takes no device: do it without --live, then shut the domain \
         down and start it"
    )]
    NoAcpi,
    /// The running domain has nowhere to plug a device into.
    #[error(
        "nothing can be plugged into it while it runs, no PCI bridge has a free slot and no pcie-root-port is empty: do \
         it without --live, then shut the domain down and start it"
    )]
    NoHotPlug,
    /// The address takes no device while the domain runs.
    #[error(
        "{address} takes no device while the domain runs ({why}): leave out --slot exact, or --live and then shut the \
         domain down and start it"
    )]
    NoHotPlugAt {
        /// The address asked for.
        address: PciAddress,
        /// Why not.
        why: &'static str,
    },
}

impl Reason {
    /// The refusal for this reason, at `at`.
    pub(crate) fn at(self, at: Position) -> Refused {
        Refused { reason: self, at: Some(at) }
    }

    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "domain-type",
            Self::Arch { .. } => "architecture",
            Self::NoPci { .. } => "no-pci",
            Self::NoUuid => "no-uuid",
            Self::BadUuid(_) => "bad-uuid",
            Self::Differs { .. } => "differs",
            Self::Duplicate { .. } => "duplicate",
            Self::OnCommandLine { .. } => "on-command-line",
            Self::AliasTaken { .. } => "alias-taken",
            Self::AddressTaken { .. } => "address-taken",
            Self::MachineSlot { .. } => "machine-slot",
            Self::NoSuchBus { .. } => "no-such-bus",
            Self::OnlySlotZero { .. } => "only-slot-zero",
            Self::NoSlotZero { .. } => "no-slot-zero",
            Self::BridgesOnly { .. } => "bridges-only",
            Self::Full => "full",
            Self::NoAcpi => "no-acpi",
            Self::NoHotPlug | Self::NoHotPlugAt { .. } => "no-hot-plug",
        }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, at: None }
    }
}
