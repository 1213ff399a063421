//! A PCI address inside a virtual machine.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Bus, slot and function of a device as libvirt counts them: the bus is the index of a PCI controller.
///
/// The order is the one in which a guest lists its devices. There is no PCI domain in it: QEMU has ivshmem in domain 0
/// only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    bus: u8,
    slot: u8,
    function: u8,
}

/// Why a text is no PCI address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PciAddressError {
    /// Neither `BUS:SLOT.FUNCTION` nor a slot, or a number is out of range.
    #[error(
        "{0:?} is no PCI address: write BUS:SLOT.FUNCTION in hexadecimal as lspci does, such as 00:1f.0, or a slot of \
         bus 0 (1 to 31), such as 0x1f"
    )]
    NotAnAddress(String),
    /// A PCI domain other than 0.
    #[error("{0:?} is in another PCI domain than 0000: QEMU has ivshmem in domain 0000 only")]
    OtherDomain(String),
}

impl PciAddress {
    /// The last slot of a bus.
    pub const LAST_SLOT: u8 = 0x1f;

    /// The address, or `None` if slot (at most 31) or function (at most 7) is out of range.
    #[must_use]
    pub fn new(bus: u8, slot: u8, function: u8) -> Option<Self> {
        (slot <= Self::LAST_SLOT && function <= 7).then_some(Self { bus, slot, function })
    }

    /// The index of the PCI controller the device sits on.
    #[must_use]
    pub fn bus(self) -> u8 {
        self.bus
    }

    /// The slot, 0 to 31.
    #[must_use]
    pub fn slot(self) -> u8 {
        self.slot
    }

    /// The function, 0 to 7.
    #[must_use]
    pub fn function(self) -> u8 {
        self.function
    }

    /// Whether `other` is in the same slot of the same bus.
    #[must_use]
    pub fn shares_slot(self, other: Self) -> bool {
        (self.bus, self.slot) == (other.bus, other.slot)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus, self.slot, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = PciAddressError;

    /// Reads `BUS:SLOT.FUNCTION` as lspci writes it (hexadecimal, also with the domain 0000 before it), or a slot of
    /// bus 0 alone, in decimal or with `0x`.
    fn from_str(text: &str) -> Result<Self, PciAddressError> {
        let not_an_address = || PciAddressError::NotAnAddress(text.to_owned());
        let Some((before, slot_and_function)) = text.rsplit_once(':') else {
            let slot = slot_number(text).ok_or_else(not_an_address)?;
            return Self::new(0, slot, 0).ok_or_else(not_an_address);
        };
        let bus = match before.split_once(':') {
            None => before,
            Some((domain, bus)) => match hex(domain, 4) {
                Some(0) => bus,
                Some(_) => return Err(PciAddressError::OtherDomain(text.to_owned())),
                None => return Err(not_an_address()),
            },
        };
        let (slot, function) = slot_and_function.split_once('.').ok_or_else(not_an_address)?;
        let byte = |digits| hex(digits, 2).and_then(|number| u8::try_from(number).ok());
        match (byte(bus), byte(slot), byte(function)) {
            (Some(bus), Some(slot), Some(function)) => {
                Self::new(bus, slot, function).ok_or_else(not_an_address)
            }
            _ => Err(not_an_address()),
        }
    }
}

/// A slot that a device can be given on bus 0, 1 to 31, in decimal or with `0x`.
pub(crate) fn slot_number(text: &str) -> Option<u8> {
    let slot = match text.strip_prefix("0x") {
        Some(digits) => u8::try_from(hex(digits, 2)?).ok()?,
        // No sign, as `parse` would take one.
        None if text.starts_with(|first: char| first.is_ascii_digit()) => text.parse().ok()?,
        None => return None,
    };
    (1..=PciAddress::LAST_SLOT).contains(&slot).then_some(slot)
}

/// `digits` as a hexadecimal number, if there are one to `most` and nothing else (a sign, say).
fn hex(digits: &str, most: usize) -> Option<u16> {
    let plain = digits.len() <= most && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_lspci_writes_them() {
        for (text, expected) in [
            ("00:1f.0", (0, 0x1f, 0)),
            ("0000:03:10.7", (3, 0x10, 7)),
            ("a:1.0", (10, 1, 0)),
            ("0x1f", (0, 0x1f, 0)),
            ("16", (0, 0x10, 0)),
        ] {
            let address: PciAddress = text.parse().unwrap();
            assert_eq!((address.bus(), address.slot(), address.function()), expected, "{text}");
        }
        assert_eq!("0:1f.0".parse::<PciAddress>().unwrap().to_string(), "00:1f.0");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in
            ["", "0x20", "0", "00:20.0", "00:1f.8", "00:1f", "100:1f.0", "+1", "0x+1", "::.", "0:0:0:1.0"]
        {
            assert_eq!(
                text.parse::<PciAddress>(),
                Err(PciAddressError::NotAnAddress(text.to_owned())),
                "{text}"
            );
        }
        assert_eq!(
            "0001:00:1f.0".parse::<PciAddress>(),
            Err(PciAddressError::OtherDomain("0001:00:1f.0".to_owned()))
        );
    }

    #[test]
    fn the_order_is_bus_slot_function() {
        let sorted: Vec<PciAddress> =
            ["00:02.0", "00:02.1", "00:1f.0", "01:00.0"].map(|text| text.parse().unwrap()).to_vec();
        assert!(sorted.is_sorted());
    }
}
