//! Where the device goes in a machine that runs.

use std::ops::RangeInclusive;

use super::{Bus, BusKind, QmpError, Survey};
use crate::PciAddress;

/// A slot of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// QEMU's name of the bus.
    pub bus: String,
    /// The slot.
    pub slot: u8,
}

/// The place that is asked for; whatever is `None` is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// QEMU's name of the bus.
    pub bus: Option<String>,
    /// The slot.
    pub slot: Option<u8>,
}

impl Bus {
    /// The slots that a device of this kind may have.
    fn slots(&self) -> RangeInclusive<u8> {
        match self.kind {
            BusKind::Port => 0..=0,
            _ => 1..=PciAddress::LAST_SLOT,
        }
    }

    /// Why no device can be plugged in here at all.
    fn obstacle(&self) -> Option<String> {
        let Self { name, kind, .. } = self;
        match kind {
            BusKind::Other => Some(format!("{name} takes ports only")),
            BusKind::Root if !self.plugs => Some(format!(
                "{name} is fixed while the machine runs (as on q35, on a pc without ACPI, and with acpi-root-pci-hotplug=off)"
            )),
            _ if !self.plugs => Some(format!("{name} takes nothing while the machine runs (hotplug=off)")),
            _ => None,
        }
    }

    /// Whose `slot` is, if it is taken.
    fn occupant(&self, slot: u8) -> Option<&str> {
        self.taken.iter().find(|(taken, _)| *taken == slot).map(|(_, what)| what.as_str())
    }

    /// The last free slot: on bus 0 of a pc that is 0x1f, and what comes behind other devices moves none of them.
    fn last_free(&self) -> Option<u8> {
        self.slots().rev().find(|&slot| self.occupant(slot).is_none())
    }
}

impl Survey {
    /// The place for the device: on the chipset's bus where that takes devices, else on a conventional bridge, else in an
    /// empty port, as ports are few. Bridges of which only a driver of their own could tell the guest come last.
    ///
    /// # Errors
    ///
    /// [`QmpError::NoPlace`], [`QmpError::NoSuchBus`], [`QmpError::NotThere`].
    pub fn place(&self, wanted: &Wanted) -> Result<Place, QmpError> {
        if let Some(bus) = &wanted.bus {
            return self.place_on(bus, wanted.slot);
        }
        let mut buses: Vec<&Bus> = self.buses.iter().filter(|bus| self.is_only(bus)).collect();
        buses.sort_by_key(|bus| match bus.kind {
            BusKind::Root => 0,
            BusKind::Bridge if bus.acpi => 1,
            BusKind::Port => 2,
            BusKind::Bridge | BusKind::Other => 3,
        });
        let free = |bus: &Bus| match wanted.slot {
            Some(slot) => (bus.slots().contains(&slot) && bus.occupant(slot).is_none()).then_some(slot),
            None => bus.last_free(),
        };
        let mut found = buses.iter().filter(|bus| bus.obstacle().is_none());
        let place = found.find_map(|bus| Some(Place { bus: bus.name.clone(), slot: free(bus)? }));
        place.ok_or_else(|| self.no_place(wanted.slot))
    }

    fn place_on(&self, name: &str, slot: Option<u8>) -> Result<Place, QmpError> {
        let why = |why: String| QmpError::NotThere { why };
        let Some(bus) = self.buses.iter().find(|bus| bus.name == name) else {
            let names: Vec<&str> = self.buses.iter().map(|bus| bus.name.as_str()).collect();
            return Err(QmpError::NoSuchBus { bus: name.to_owned(), buses: names.join(", ") });
        };
        if let Some(obstacle) = bus.obstacle() {
            return Err(why(obstacle));
        }
        if !self.is_only(bus) {
            return Err(why(format!(
                "several buses are called {name}, and QEMU takes the first; take another"
            )));
        }
        let slot = match slot {
            Some(slot) => slot,
            None => bus.last_free().ok_or_else(|| why(format!("every slot of {name} is taken")))?,
        };
        let slots = bus.slots();
        if !slots.contains(&slot) {
            let (first, last) = (slots.start(), slots.end());
            return Err(why(format!("{name} has the slots {first:#x} to {last:#x}, not {slot:#x}")));
        }
        match bus.occupant(slot) {
            Some(occupant) => Err(why(format!("slot {slot:#x} of {name} is taken by {occupant}"))),
            None => Ok(Place { bus: name.to_owned(), slot }),
        }
    }

    /// Whether QEMU finds this bus by its name. A port without an id calls its bus as the chipset calls its own.
    fn is_only(&self, bus: &Bus) -> bool {
        self.buses.iter().filter(|other| other.name == bus.name).count() == 1
    }

    fn no_place(&self, slot: Option<u8>) -> QmpError {
        let reasons = self.buses.iter().map(|bus| match (bus.obstacle(), slot) {
            (Some(obstacle), _) => obstacle,
            (None, _) if !self.is_only(bus) => format!("the name {} is that of several buses", bus.name),
            (None, None) => format!("{} is full", bus.name),
            (None, Some(slot)) => format!("{} has no slot {slot:#x} that is free", bus.name),
        });
        let mut reasons: Vec<String> = reasons.collect();
        reasons.dedup();
        let buses = reasons.join("; ");
        QmpError::NoPlace {
            machine: self.machine.clone(),
            why: format!(
                "{buses}. Power it off and start it with the arguments of ivring-vm-config qemu-args; on a q35 a spare \
                 -device pcie-root-port,id=ID takes the device later"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus(name: &str, kind: BusKind, plugs: bool, taken: &[u8]) -> Bus {
        let taken = taken.iter().map(|&slot| (slot, "virtio-net-pci".to_owned())).collect();
        Bus { name: name.to_owned(), kind, plugs, acpi: true, taken }
    }

    fn machine(buses: Vec<Bus>) -> Survey {
        Survey { machine: "pc-q35-7.2".to_owned(), buses, present: Vec::new(), backends: Vec::new() }
    }

    fn chosen(survey: &Survey) -> (String, u8) {
        let Place { bus, slot } = survey.place(&Wanted::default()).unwrap();
        (bus, slot)
    }

    #[test]
    fn the_chipsets_bus_then_bridges_then_ports() {
        use BusKind::{Bridge, Port, Root};
        let pc = machine(vec![bus("pci.0", Root, true, &[0, 1, 0x1f]), bus("br", Bridge, true, &[])]);
        assert_eq!(chosen(&pc), ("pci.0".to_owned(), 0x1e));
        let fixed = || bus("pcie.0", Root, false, &[0, 0x1f]);
        let mut native = bus("shpc", Bridge, true, &[]);
        native.acpi = false;
        let ports = [bus("rp1", Port, true, &[0]), bus("rp2", Port, true, &[]), native];
        let q35 = machine([vec![fixed()], ports.to_vec()].concat());
        assert_eq!(chosen(&q35), ("rp2".to_owned(), 0));
        let bridged = machine([vec![fixed()], ports.to_vec(), vec![bus("br", Bridge, true, &[])]].concat());
        assert_eq!(chosen(&bridged), ("br".to_owned(), 0x1f));
        let at = Wanted { slot: Some(5), ..Wanted::default() };
        assert_eq!(bridged.place(&at).unwrap(), Place { bus: "br".to_owned(), slot: 5 });
    }

    #[test]
    fn a_place_that_is_none_is_refused_with_the_reason() {
        use BusKind::{Port, Root};
        let twins = [bus("pcie.1", Port, true, &[]), bus("pcie.1", Port, true, &[])];
        let ports = [bus("rp1", Port, true, &[0]), bus("off", Port, false, &[])];
        let q35 = machine([vec![bus("pcie.0", Root, false, &[0])], ports.to_vec(), twins.to_vec()].concat());
        let error = q35.place(&Wanted::default()).unwrap_err();
        assert!(matches!(error, QmpError::NoPlace { .. }));
        for says in ["pcie.0 is fixed", "rp1 is full", "off takes nothing", "several buses", "qemu-args"] {
            assert!(error.to_string().contains(says), "{error}");
        }
        for (on, slot, says) in [
            ("pcie.0", None, "is fixed"),
            ("rp1", None, "every slot"),
            ("rp1", Some(0), "taken by virtio-net-pci"),
            ("rp1", Some(1), "0x0 to 0x0, not 0x1"),
            ("pcie.1", None, "several buses"),
            ("rp9", None, "it has pcie.0, rp1"),
        ] {
            let error = q35.place(&Wanted { bus: Some(on.to_owned()), slot }).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
