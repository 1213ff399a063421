//! An ivshmem device that a domain has already, and how it differs from the one asked for.

use std::ops::Range;

use roxmltree::Node;

use super::addresses::{number, pci_address};
use super::{Layout, child};
use crate::{Device, Model, PciAddress, Size};

/// What an element `<shmem>` without a size gets, in bytes.
const SIZE_IF_NOT_GIVEN: u64 = 4 << 20;

/// An ivshmem device that a domain has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    name: String,
    model: Option<String>,
    /// In bytes, or the text that is no size.
    size: Result<u64, String>,
    role: Option<String>,
    server: bool,
    address: Option<PciAddress>,
    range: Range<usize>,
    layout: Layout,
}

impl Existing {
    pub(super) fn read(text: &str, shmem: Node<'_, '_>) -> Self {
        Self {
            name: shmem.attribute("name").unwrap_or_default().to_owned(),
            model: child(shmem, "model").and_then(|model| model.attribute("type")).map(str::to_owned),
            size: child(shmem, "size").map_or(Ok(SIZE_IF_NOT_GIVEN), size),
            role: shmem.attribute("role").map(str::to_owned),
            server: child(shmem, "server").is_some(),
            address: child(shmem, "address").and_then(pci_address),
            range: shmem.range(),
            layout: Layout::of_element(text, shmem),
        }
    }

    /// The region it shows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its PCI address, unless libvirt is still to choose one.
    #[must_use]
    pub fn address(&self) -> Option<PciAddress> {
        self.address
    }

    /// The bytes of its element in the text of the domain.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether it is of the kind with a server, whose memory is not the file of the region.
    pub(crate) fn has_server(&self) -> bool {
        self.server || self.model.as_deref() == Some("ivshmem-doorbell")
    }

    /// How it differs from `device`, in words; empty if it does not. Alias and address do not count.
    #[must_use]
    pub fn differences(&self, device: &Device) -> Vec<String> {
        let mut differences = Vec::new();
        let wanted = device.model.name();
        match self.model.as_deref() {
            Some(model) if model == wanted => {}
            // libvirt builds the legacy device if no model is given.
            None if device.model == Model::Legacy => {}
            None => differences.push(format!(
                "it has no <model>, which is the legacy device that QEMU lost with 4.0, not {wanted}"
            )),
            Some("ivshmem") => {
                differences
                    .push(format!("its model is the legacy ivshmem that QEMU lost with 4.0, not {wanted}"));
            }
            Some(model) => differences.push(format!("its model is {model:?}, not {wanted}")),
        }
        if self.server {
            differences.push("it takes its memory from a server".to_owned());
        }
        let size = device.region.size();
        match &self.size {
            Ok(bytes) if *bytes == size.bytes() => {}
            Ok(bytes) => match Size::from_bytes(*bytes) {
                Ok(its) => differences.push(format!("its size is {its}, not {size}")),
                Err(_) => differences.push(format!("its size is {bytes} bytes, not {size}")),
            },
            Err(text) => differences.push(format!("its size {text:?} is none")),
        }
        let role = device.role.map(crate::Role::name);
        if self.role.as_deref() != role {
            let name = |role: Option<&str>| role.map_or("none".to_owned(), |role| format!("{role:?}"));
            differences.push(format!("its role is {}, not {}", name(self.role.as_deref()), name(role)));
        }
        differences
    }
}

/// The size in bytes that `<size unit='...'>` gives, with libvirt's units: `MB` and the like are powers of 1000.
fn size(element: Node<'_, '_>) -> Result<u64, String> {
    let text = element.text().unwrap_or_default().trim();
    let unit = element.attribute("unit").unwrap_or_default();
    scale(unit).and_then(|scale| number(text)?.checked_mul(scale)).ok_or_else(|| format!("{text}{unit}"))
}

fn scale(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    if matches!(unit.as_str(), "" | "b" | "byte" | "bytes") {
        return Some(1);
    }
    let power = "kmgtpe".find(unit.chars().next()?)? + 1;
    let base: u64 = match unit.get(1..)? {
        "" | "ib" => 1024,
        "b" => 1000,
        _ => return None,
    };
    base.checked_pow(u32::try_from(power).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_libvirt() {
        for (unit, expected) in [
            ("", 1),
            ("bytes", 1),
            ("KiB", 1024),
            ("k", 1024),
            ("MB", 1_000_000),
            ("M", 1 << 20),
            ("E", 1 << 60),
        ] {
            assert_eq!(scale(unit), Some(expected), "{unit}");
        }
        for unit in ["x", "MM", "ß", "Kib s"] {
            assert_eq!(scale(unit), None, "{unit}");
        }
    }
}
