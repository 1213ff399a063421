//! The machine type of a QEMU process, as far as one device goes.

use crate::DEFAULT_SLOT;

/// The machine type of a QEMU process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// i440FX: bus 0 is `pci.0`.
    #[default]
    Pc,
    /// ICH9: bus 0 is `pcie.0`, and its slot 0x1f is taken.
    Q35,
}

impl Machine {
    /// The slot the device takes if nothing else is asked for: the last that is free on every such machine, and 0x10
    /// on `q35`, whose own devices take several of the upper ones.
    #[must_use]
    pub fn default_slot(self) -> u8 {
        match self {
            Self::Pc => DEFAULT_SLOT,
            Self::Q35 => 0x10,
        }
    }

    pub(super) fn bus(self) -> &'static str {
        match self {
            Self::Pc => "pci.0",
            Self::Q35 => "pcie.0",
        }
    }

    /// Whose slot `slot` of bus 0 is on every such machine, if it is anyone's.
    pub(crate) fn owner(self, slot: u8) -> Option<&'static str> {
        match (self, slot) {
            (_, 0) => Some("the host bridge"),
            (Self::Pc, 1) => Some("the PIIX3 (ISA bridge, IDE, USB, power management)"),
            (Self::Q35, 0x1f) => Some("the ICH9 (LPC bridge, SATA, SMBus)"),
            _ => None,
        }
    }
}
