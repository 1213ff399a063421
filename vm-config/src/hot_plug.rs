//! Where a device can be plugged into a domain that runs.

use std::ops::RangeInclusive;

use crate::domain::Chipset;
use crate::placement::{self, Obstacle};
use crate::{Domain, PciAddress, Reason, Refused, Request, Slot, support};

/// The address at which the running domain `live` can be given the device of `request`.
///
/// `config` is what the domain will be when it is started again; `None` if it will not be. The address is free there
/// too, so that both can have the device at the same one. If `config` has the device already, its address is taken if
/// the running domain can, and else any.
///
/// A `pc` takes devices on bus 0. Bus 0 of a `q35` and of other PCI Express machines is fixed: there a PCI bridge with
/// a free slot is needed, or an empty root port. The preferred slot of the request counts on bus 0 of a `pc` only; its
/// exact address is taken or refused. As a guest's programs may take the first ivshmem device they find, an address
/// above those of the others is taken if there is one.
///
/// # Errors
///
/// [`Refused`], if the domain has no such place, the exact one is none, or QEMU has no device for such a domain.
pub fn hot_plug(
    live: &Domain<'_>,
    config: Option<&Domain<'_>>,
    request: &Request,
) -> Result<PciAddress, Refused> {
    support::check(live)?;
    let device = request.device_for(live)?;
    let name = device.region.name();
    if live.chipset() == Chipset::I440fx && !live.acpi() {
        return Err(Reason::NoAcpi.into());
    }
    let running = Side::new(live, name);
    let own = config.and_then(|config| config.existing().iter().find(|shmem| shmem.name() == name));
    let later = config.filter(|_| own.is_none()).map(|config| Side::new(config, name));
    let check = |address| {
        running.check(address)?;
        later.as_ref().map_or(Ok(()), |later| later.check(address))
    };
    if let Slot::Exact(address) = request.slot {
        return check(address).map(|()| address);
    }
    if let Some(address) = own.and_then(|own| own.address()).filter(|&address| check(address).is_ok()) {
        return Ok(address);
    }
    let preferred = match request.slot {
        Slot::Prefer(slot) => placement::preferred(live, &running.obstacles, slot),
        Slot::Auto | Slot::Exact(_) => None,
    };
    let candidates = preferred.into_iter().chain(running.places());
    let free: Vec<PciAddress> = candidates.filter(|&address| check(address).is_ok()).collect();
    let others = [Some(live), config].into_iter().flatten().flat_map(|domain| domain.other_ivshmem(name));
    let highest = others.max();
    let above = free.iter().find(|&&address| highest.is_none_or(|other| address > other));
    above.or(free.first()).copied().ok_or_else(|| Reason::NoHotPlug.into())
}

/// A domain as it runs, or as it will be, and what is in it.
struct Side<'d, 't> {
    domain: &'d Domain<'t>,
    obstacles: Vec<Obstacle>,
}

impl<'d, 't> Side<'d, 't> {
    fn new(domain: &'d Domain<'t>, name: &str) -> Self {
        Self { domain, obstacles: placement::obstacles(domain, name) }
    }

    /// Every address where devices can be plugged in, free or not: on bridges first, as root ports are few.
    fn places(&self) -> impl Iterator<Item = PciAddress> {
        let mut buses: Vec<(bool, u8, RangeInclusive<u8>)> = (0..=u8::MAX)
            .filter_map(|bus| {
                let slots = slots(self.domain, bus)?;
                Some((is_port(&slots), bus, slots))
            })
            .collect();
        buses.sort_by_key(|(port, bus, _)| (*port, *bus));
        buses
            .into_iter()
            .flat_map(|(_, bus, slots)| slots.filter_map(move |slot| PciAddress::new(bus, slot, 0)))
    }

    /// Whether a device can be plugged in at `address`.
    fn check(&self, address: PciAddress) -> Result<(), Refused> {
        let no = |why| Err(Reason::NoHotPlugAt { address, why }.into());
        let bus = address.bus();
        let Some(slots) = slots(self.domain, bus) else {
            let exists =
                bus == 0 || self.domain.controllers().iter().any(|controller| controller.index == bus);
            return if exists { no("its bus is fixed") } else { Err(Reason::NoSuchBus { bus }.into()) };
        };
        placement::exact(self.domain, &self.obstacles, address)?;
        // The guest looks at a slot when its function 0 comes, and a slot goes as a whole.
        if address.function() != 0 {
            return no("a slot is plugged in by its function 0");
        }
        let port = is_port(&slots);
        let in_the_way = |obstacle: &&Obstacle| {
            obstacle.address.shares_slot(address) || (port && obstacle.address.bus() == bus)
        };
        match self.obstacles.iter().find(in_the_way) {
            None if port && self.domain.command_line().uses_bus(bus) => {
                no("<qemu:commandline> has a device on its bus")
            }
            Some(obstacle) => {
                let at = self.domain.position(obstacle.start);
                let (address, occupant) = (obstacle.address, obstacle.what.clone());
                Err(Reason::AddressTaken { address, occupant, at }.at(at))
            }
            None => Ok(()),
        }
    }
}

/// The slots of `bus` into which devices can be plugged while the domain runs.
///
/// QEMU 7.2 takes devices on every kind of PCI bridge, whatever port that sits on. Which slots are the machine's own is
/// not told here.
fn slots(domain: &Domain<'_>, bus: u8) -> Option<RangeInclusive<u8>> {
    let controller = domain.controllers().iter().find(|controller| controller.index == bus);
    if bus == 0 {
        let pluggable = controller.is_none_or(|root| root.hot_plug);
        return (domain.chipset() == Chipset::I440fx && pluggable).then_some(1..=PciAddress::LAST_SLOT);
    }
    let controller = controller?;
    match controller.model.as_str() {
        "pci-bridge" | "pcie-to-pci-bridge" | "dmi-to-pci-bridge" => Some(1..=PciAddress::LAST_SLOT),
        "pcie-root-port" | "pcie-switch-downstream-port" if controller.hot_plug => Some(0..=0),
        _ => None,
    }
}

/// Whether the slots are those of a port, which takes one device.
fn is_port(slots: &RangeInclusive<u8>) -> bool {
    *slots.end() == 0
}
