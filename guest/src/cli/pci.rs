//! `ivring-agent pci`: the PCI devices, ivshmem marked.

use std::path::Path;

use ivring_proto::console::{Failure, Output};
use ivring_proto::control::Code;
use serde::Serialize;

use crate::pci::{self, Device, ScanError};

/// One device as `--json` shows it. Ids are hexadecimal text, as everywhere else in the world of PCI.
#[derive(Serialize)]
struct Line<'a> {
    address: String,
    ivshmem: bool,
    vendor: String,
    device: String,
    subsystem_vendor: String,
    subsystem_device: String,
    revision: u8,
    class: String,
    vendor_name: Option<&'static str>,
    device_name: Option<&'static str>,
    class_name: Option<&'static str>,
    driver: Option<&'a str>,
    enabled: bool,
    bars: Vec<Bar>,
}

/// One BAR of a device.
#[derive(Serialize)]
struct Bar {
    index: usize,
    bytes: u64,
    memory: bool,
    prefetchable: bool,
}

impl<'a> Line<'a> {
    fn new(device: &'a Device) -> Self {
        let (vendor, id) = device.ids();
        let (subsystem_vendor, subsystem_device) = device.subsystem_ids();
        let bars = device.bars().iter().enumerate().filter(|(_, bar)| bar.size() > 0);
        Line {
            address: device.address().to_string(),
            ivshmem: device.is_ivshmem(),
            vendor: format!("{vendor:04x}"),
            device: format!("{id:04x}"),
            subsystem_vendor: format!("{subsystem_vendor:04x}"),
            subsystem_device: format!("{subsystem_device:04x}"),
            revision: device.revision(),
            class: format!("{:06x}", device.class()),
            vendor_name: device.vendor_name(),
            device_name: device.device_name(),
            class_name: device.class_name(),
            driver: device.driver(),
            enabled: device.is_enabled(),
            bars: bars
                .map(|(index, bar)| Bar {
                    index,
                    bytes: bar.size(),
                    memory: bar.is_memory(),
                    prefetchable: bar.is_prefetchable(),
                })
                .collect(),
        }
    }

    /// `* 0000:00:1f.0  1af4:1110  -  RAM memory: Red Hat, Inc. Inter-VM shared memory (8 MiB)`
    fn to_text(&self) -> String {
        let mark = if self.ivshmem { '*' } else { ' ' };
        let driver = self.driver.unwrap_or("-");
        let class = self.class_name.unwrap_or("Unknown class");
        let vendor = self.vendor_name.unwrap_or("unknown vendor");
        let name = self.device_name.unwrap_or("unknown device");
        let size = match self.bars.iter().find(|bar| bar.index == 2) {
            Some(bar) if self.ivshmem => format!(" ({})", binary_size(bar.bytes)),
            _ => String::new(),
        };
        let Line { address, vendor: vendor_id, device: id, .. } = self;
        format!("{mark} {address:<12}  {vendor_id}:{id}  {driver:<14}  {class}: {vendor} {name}{size}")
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        Failure::new(error.exit_code().into(), error.to_string())
    }
}

/// Lists the devices below `root`.
pub(super) fn list(root: &Path, json: bool) -> Result<(), Failure> {
    let devices = pci::scan(root)?;
    let out = &mut Output::new(json);
    let lines: Vec<Line<'_>> = devices.iter().map(Line::new).collect();
    if out.json {
        out.json_indented(&lines)?;
    } else {
        for line in &lines {
            out.line(line.to_text())?;
        }
    }
    if devices.iter().any(Device::is_ivshmem) {
        Ok(())
    } else {
        let text = format!("none of the {} PCI devices is ivshmem (1af4:1110)", devices.len());
        Err(Failure::new(Code::Negative, text))
    }
}

/// Bytes in the largest binary unit that divides them.
fn binary_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(bits, _)| bytes.trailing_zeros() >= *bits) {
        Some((bits, unit)) if bytes > 0 => format!("{} {unit}", bytes >> bits),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_whole() {
        for (bytes, text) in [
            (0, "0 B"),
            (256, "256 B"),
            (4096, "4 KiB"),
            (8 << 20, "8 MiB"),
            (3 << 29, "1536 MiB"),
            (1 << 32, "4 GiB"),
        ] {
            assert_eq!(binary_size(bytes), text);
        }
    }
}
