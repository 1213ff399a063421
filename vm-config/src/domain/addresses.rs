//! The PCI controllers of a domain and the addresses its devices have.

use std::ops::Range;

use roxmltree::Node;

use super::{child, devices};
use crate::PciAddress;

/// A PCI controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controller {
    /// The bus it provides.
    pub index: u8,
    /// What it is: `pci-root`, `pcie-root-port` and so on; empty if the XML does not say.
    pub model: String,
    /// Whether the XML leaves it able to take devices while the domain runs.
    pub hot_plug: bool,
    /// Where it is in the text.
    pub range: Range<usize>,
}

/// A device that has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub address: PciAddress,
    /// The name of its element.
    pub element: String,
    /// Whether it says that its slot has more functions.
    pub multifunction: bool,
    /// Where it is in the text.
    pub range: Range<usize>,
}

pub(super) fn controllers(root: Node<'_, '_>) -> Vec<Controller> {
    devices(root)
        .filter(|device| device.has_tag_name("controller") && device.attribute("type") == Some("pci"))
        .filter_map(|device| {
            let index = u8::try_from(number(device.attribute("index")?)?).ok()?;
            Some(Controller {
                index,
                model: device.attribute("model").unwrap_or_default().to_owned(),
                hot_plug: child(device, "target").and_then(|target| target.attribute("hotplug"))
                    != Some("off"),
                range: device.range(),
            })
        })
        .collect()
}

/// Only the address that is a child of the device itself is one in the guest: those deeper inside, such as a
/// hostdev's `<source>`, are the host's.
pub(super) fn occupants(root: Node<'_, '_>) -> Vec<Occupant> {
    devices(root)
        .filter_map(|device| {
            let address = child(device, "address")?;
            Some(Occupant {
                address: pci_address(address)?,
                element: device.tag_name().name().to_owned(),
                multifunction: address.attribute("multifunction") == Some("on"),
                range: device.range(),
            })
        })
        .collect()
}

/// The address that `<address type='pci'>` gives, or `None` if libvirt is to choose one (no numbers, or all of them
/// zero) or it is in another PCI domain.
pub(super) fn pci_address(address: Node<'_, '_>) -> Option<PciAddress> {
    if address.attribute("type") != Some("pci") {
        return None;
    }
    let part = |name| address.attribute(name).map_or(Some(0), number);
    let (domain, bus, slot, function) = (part("domain")?, part("bus")?, part("slot")?, part("function")?);
    if domain != 0 || (bus, slot) == (0, 0) {
        return None;
    }
    let byte = |number: u64| u8::try_from(number).ok();
    PciAddress::new(byte(bus)?, byte(slot)?, byte(function)?)
}

/// A number as libvirt reads one: decimal, with `0x` hexadecimal, with a leading `0` octal.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        (digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (text, 8)
    } else {
        (text, 10)
    };
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_libvirt_reads_them() {
        for (text, expected) in [("31", 31), ("0x1f", 31), ("0X1F", 31), ("037", 31), (" 0", 0)] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["", "-1", "+1", "0x", "08", "1f", "0x+1", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
