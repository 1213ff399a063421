//! The arguments that a domain passes to QEMU past libvirt, which knows nothing of the devices in them.

use roxmltree::Node;

use crate::PciAddress;

const NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// What `<qemu:commandline>` gives to QEMU, as far as it matters here.
#[derive(Debug, Default)]
pub(crate) struct CommandLine {
    devices: Vec<RawDevice>,
    /// The names of the regions it maps, each with the byte where the argument begins.
    regions: Vec<(String, usize)>,
    /// The buses that devices are put on, with an address there or without.
    buses: Vec<u8>,
}

/// A device of `-device`.
#[derive(Debug)]
pub(crate) struct RawDevice {
    driver: String,
    /// Where it is, if the argument says so.
    pub address: Option<PciAddress>,
    /// The byte where its argument begins.
    pub start: usize,
}

impl RawDevice {
    pub(crate) fn is_ivshmem(&self) -> bool {
        self.driver.starts_with("ivshmem")
    }

    /// The name of its driver.
    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }
}

impl CommandLine {
    pub(super) fn read(root: Node<'_, '_>) -> Self {
        let mut found = Self::default();
        let in_qemu = |node: &Node<'_, '_>, name| node.is_element() && node.has_tag_name((NAMESPACE, name));
        let mut after_device = false;
        let arguments = root
            .children()
            .filter(|node| in_qemu(node, "commandline"))
            .flat_map(|commandline| commandline.children())
            .filter(|node| in_qemu(node, "arg"));
        for argument in arguments {
            let value = argument.attribute("value").unwrap_or_default();
            let start = argument.range().start;
            let properties = properties(value);
            let property =
                |name| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let file = property("mem-path").and_then(|path| path.strip_prefix("/dev/shm/"));
            if let Some(region) = file.or(property("shm")) {
                found.regions.push((region.to_owned(), start));
            }
            found.buses.extend(property("bus").and_then(bus_number));
            if after_device && let Some(driver) = property("driver") {
                let address = property("addr").and_then(|addr| address(property("bus"), addr));
                found.devices.push(RawDevice { driver: driver.to_owned(), address, start });
            }
            after_device = matches!(value, "-device" | "--device");
        }
        found
    }

    /// Whether a device is put on the bus `bus`.
    pub(crate) fn uses_bus(&self, bus: u8) -> bool {
        self.buses.contains(&bus)
    }

    pub(crate) fn devices(&self) -> &[RawDevice] {
        &self.devices
    }

    /// The byte where the argument begins that maps the region `name`.
    pub(crate) fn maps(&self, name: &str) -> Option<usize> {
        self.regions.iter().find(|(region, _)| region == name).map(|(_, start)| *start)
    }
}

/// The properties of an argument in either form; the first of `a,b=c` is called `driver`.
fn properties(value: &str) -> Vec<(String, String)> {
    if value.trim_start().starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(value).unwrap_or_default();
        return object
            .into_iter()
            .map(|(key, value)| match value {
                serde_json::Value::String(text) => (key, text),
                other => (key, other.to_string()),
            })
            .collect();
    }
    value
        .split(',')
        .enumerate()
        .filter_map(|(at, part)| match part.split_once('=') {
            Some((key, value)) => Some((key.to_owned(), value.to_owned())),
            None if at == 0 => Some(("driver".to_owned(), part.to_owned())),
            None => None,
        })
        .collect()
}

/// The number in libvirt's name for a bus.
fn bus_number(bus: &str) -> Option<u8> {
    if bus == "pcie.0" { Some(0) } else { bus.strip_prefix("pci.")?.parse().ok() }
}

/// The address of `bus=pci.0,addr=1f.0`: slot and function in hexadecimal, the bus by libvirt's name for it.
fn address(bus: Option<&str>, addr: &str) -> Option<PciAddress> {
    let bus = bus.map_or(Some(0), bus_number)?;
    let (slot, function) = addr.split_once('.').unwrap_or((addr, "0"));
    let slot = u8::from_str_radix(slot.trim_start_matches("0x"), 16).ok()?;
    PciAddress::new(bus, slot, function.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let legacy = properties("ivshmem-plain,memdev=x,bus=pcie.0,addr=0x10");
        let json = properties(r#"{"driver":"ivshmem-plain","memdev":"x","bus":"pcie.0","addr":"0x10"}"#);
        for properties in [legacy, json] {
            assert!(properties.contains(&("driver".to_owned(), "ivshmem-plain".to_owned())));
            assert!(properties.contains(&("addr".to_owned(), "0x10".to_owned())));
        }
        assert!(properties("{not json").is_empty());
    }

    #[test]
    fn addresses_are_hexadecimal() {
        assert_eq!(address(Some("pcie.0"), "0x10"), PciAddress::new(0, 0x10, 0));
        assert_eq!(address(None, "1f.2"), PciAddress::new(0, 0x1f, 2));
        assert_eq!(address(Some("pci.3"), "2"), PciAddress::new(3, 2, 0));
        for (bus, addr) in [(Some("rp1"), "0"), (None, "32"), (None, ""), (None, "1.9")] {
            assert_eq!(address(bus, addr), None, "{addr}");
        }
    }
}
