//! Which PCI slot is asked for.

use std::str::FromStr;

use thiserror::Error;

use crate::pci::slot_number;
use crate::{DEFAULT_SLOT, PciAddress, PciAddressError};

/// Which PCI slot is asked for in a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// No address: libvirt chooses one.
    Auto,
    /// This slot of bus 0 on the machine types `pc` and `q35`, if the whole slot is free; no address otherwise.
    Prefer(u8),
    /// This address, or a refusal that says why not.
    Exact(PciAddress),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Prefer(DEFAULT_SLOT)
    }
}

/// Why a text is no choice of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SlotError {
    /// None of the three forms.
    #[error("{0:?} is no slot: write auto, prefer:0x1f or exact:00:1f.0")]
    Unknown(String),
    /// The address after `exact:`.
    #[error(transparent)]
    Address(#[from] PciAddressError),
}

impl FromStr for Slot {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, SlotError> {
        if let Some(address) = text.strip_prefix("exact:") {
            return Ok(Self::Exact(address.parse()?));
        }
        match text.strip_prefix("prefer:") {
            Some(slot) => slot_number(slot).map(Self::Prefer),
            None => (text == "auto").then_some(Self::Auto),
        }
        .ok_or_else(|| SlotError::Unknown(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        assert_eq!("auto".parse(), Ok(Slot::Auto));
        assert_eq!("prefer:0x1f".parse(), Ok(Slot::default()));
        assert_eq!("exact:0x10".parse(), Ok(Slot::Exact("00:10.0".parse().unwrap())));
        for text in ["", "0x1f", "prefer:", "prefer:32", "prefer:00:1f.0", "exact"] {
            assert_eq!(text.parse::<Slot>(), Err(SlotError::Unknown(text.to_owned())));
        }
        assert!(matches!("exact:0001:00:1f.0".parse::<Slot>(), Err(SlotError::Address(_))));
    }
}
