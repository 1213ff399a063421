//! The device as the machine's PCI buses show it.

use serde_json::Value;

use super::Present;

/// Vendor and device of ivshmem.
const IDS: (u64, u64) = (0x1af4, 0x1110);
/// The BAR of its registers, and that of its memory.
const BARS: [u64; 2] = [0, 2];
/// Bridges below bridges: far more than a machine has.
const DEEPEST: usize = 32;

/// The device as the machine's PCI buses show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The number of its bus, which firmware or kernel of the guest has given; 0 before that.
    pub bus: u64,
    /// Its slot.
    pub slot: u8,
    /// What the guest has made of it.
    pub in_guest: InGuest,
}

/// What the guest has made of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InGuest {
    /// The region is in its physical memory, at this address.
    At(u64),
    /// It uses the device's registers, but the region has no address: the window of the port is too small for it.
    NoRoom,
    /// It does not use the device: its kernel has not found it yet, or nobody asked for it.
    Unused,
}

impl InGuest {
    /// The name for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::At(_) => "mapped",
            Self::NoRoom => "no-room",
            Self::Unused => "unused",
        }
    }
}

/// `device`, with memory of `size` bytes, in the answer to query-pci.
pub(super) fn find(answer: &Value, device: &Present, size: u64) -> Option<Seen> {
    let mut found = Vec::new();
    for bus in answer.as_array()? {
        collect(&bus["devices"], DEEPEST, &mut |seen| {
            // Without an id it is told by its slot and size; two that are alike cannot be told apart.
            let named = seen["qdev_id"] == device.id.as_str() && seen["slot"] == device.slot;
            if named && region(seen, BARS[1]).is_some_and(|bar| bar["size"] == size) {
                found.push(state(seen));
            }
        });
    }
    match found[..] {
        [(bus, in_guest)] => Some(Seen { bus, slot: device.slot, in_guest }),
        _ => None,
    }
}

fn collect(devices: &Value, deepest: usize, each: &mut dyn FnMut(&Value)) {
    for device in devices.as_array().into_iter().flatten() {
        if (device["id"]["vendor"].as_u64(), device["id"]["device"].as_u64()) == (Some(IDS.0), Some(IDS.1)) {
            each(device);
        }
        if deepest > 0 {
            collect(&device["pci_bridge"]["devices"], deepest - 1, each);
        }
    }
}

fn region(device: &Value, bar: u64) -> Option<&Value> {
    device["regions"].as_array()?.iter().find(|region| region["bar"] == bar)
}

fn state(device: &Value) -> (u64, InGuest) {
    // A BAR without an address, or of a device that is switched off, reads as -1.
    let [registers, memory] =
        BARS.map(|bar| region(device, bar).and_then(|region| region["address"].as_u64()));
    let in_guest = match (registers, memory) {
        (_, Some(address)) => InGuest::At(address),
        (Some(_), None) => InGuest::NoRoom,
        (None, None) => InGuest::Unused,
    };
    (device["bus"].as_u64().unwrap_or_default(), in_guest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn present(id: &str) -> Present {
        let (bus, path) = ("rp1".to_owned(), "/machine/peripheral/x".to_owned());
        Present { path, id: id.to_owned(), bus, slot: 0, backend: None }
    }

    fn pci(addresses: [i64; 2], id: &str) -> Value {
        let regions = json!([{ "bar": 0, "address": addresses[0], "size": 256 },
            { "bar": 2, "address": addresses[1], "size": 1 << 20 }]);
        let ours = json!({ "bus": 1, "slot": 0, "qdev_id": id, "regions": regions,
            "id": { "vendor": 0x1af4, "device": 0x1110 } });
        let net =
            json!({ "bus": 0, "slot": 3, "qdev_id": "net", "id": { "vendor": 0x1af4, "device": 0x1000 } });
        let port = json!({ "bus": 0, "slot": 1, "qdev_id": "rp1", "id": { "vendor": 0x1b36, "device": 12 },
            "pci_bridge": { "devices": [ours] } });
        json!([{ "bus": 0, "devices": [net, port] }])
    }

    #[test]
    fn it_is_found_below_a_port_in_each_of_its_states() {
        for (addresses, in_guest) in [
            ([0xfe40_0000, 0x1_0000_0000], InGuest::At(0x1_0000_0000)),
            ([0xfe40_0000, -1], InGuest::NoRoom),
            ([-1, -1], InGuest::Unused),
        ] {
            let seen = find(&pci(addresses, "ivring-x"), &present("ivring-x"), 1 << 20);
            assert_eq!(seen, Some(Seen { bus: 1, slot: 0, in_guest }));
        }
        let other = pci([-1, -1], "other");
        assert_eq!(find(&other, &present("ivring-x"), 1 << 20), None);
        assert_eq!(find(&pci([-1, -1], "ivring-x"), &present("ivring-x"), 2 << 20), None);
        assert_eq!(find(&json!({}), &present(""), 1), None);
    }
}
