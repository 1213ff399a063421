//! Which PCI address the device gets.

use crate::domain::Chipset;
use crate::qemu_args::Machine;
use crate::{Domain, PciAddress, Reason, Refused, Slot};

/// What is in the way at an address.
pub(crate) struct Obstacle {
    pub address: PciAddress,
    pub what: String,
    multifunction: bool,
    bridge: bool,
    pub start: usize,
}

/// The address for a device of the region `name`, or `None` for libvirt to choose one.
///
/// Looking Glass and others take the first ivshmem device a guest lists, so a new one goes above those that are there.
pub(crate) fn place(domain: &Domain<'_>, slot: Slot, name: &str) -> Result<Option<PciAddress>, Refused> {
    let obstacles = obstacles(domain, name);
    let address = match slot {
        Slot::Exact(address) => return exact(domain, &obstacles, address).map(Some),
        Slot::Prefer(slot) => preferred(domain, &obstacles, slot),
        Slot::Auto => None,
    };
    let highest = domain.other_ivshmem(name).into_iter().max();
    match (address, highest) {
        (Some(address), highest) if highest.is_none_or(|other| address > other) => return Ok(Some(address)),
        (_, Some(other)) => {
            if let Some(address) = above(domain, &obstacles, other) {
                return Ok(Some(address));
            }
        }
        _ => {}
    }
    if domain.chipset() == Chipset::I440fx && is_full(&obstacles) && !has_bridge(domain) {
        return function_of_endpoint(&obstacles).map(Some).ok_or_else(|| Reason::Full.into());
    }
    Ok(None)
}

fn machine(domain: &Domain<'_>) -> Option<Machine> {
    match domain.chipset() {
        Chipset::I440fx => Some(Machine::Pc),
        Chipset::Q35 => Some(Machine::Q35),
        Chipset::Other => None,
    }
}

/// Everything with an address but the devices of the region `name`, which make way for the new one.
pub(crate) fn obstacles(domain: &Domain<'_>, name: &str) -> Vec<Obstacle> {
    let own: Vec<usize> = domain
        .existing()
        .iter()
        .filter(|shmem| shmem.name() == name)
        .map(|shmem| shmem.range().start)
        .collect();
    let elements = domain.occupants().iter().filter(|occupant| !own.contains(&occupant.range.start));
    let elements = elements.map(|occupant| Obstacle {
        address: occupant.address,
        what: occupant.element.clone(),
        multifunction: occupant.multifunction,
        bridge: occupant.element == "controller",
        start: occupant.range.start,
    });
    let raw = domain.command_line().devices().iter().filter_map(|device| {
        Some(Obstacle {
            address: device.address?,
            what: device.driver().to_owned(),
            multifunction: false,
            bridge: true,
            start: device.start,
        })
    });
    elements.chain(raw).collect()
}

fn whole_slot_is_free(obstacles: &[Obstacle], address: PciAddress) -> bool {
    !obstacles.iter().any(|obstacle| obstacle.address.shares_slot(address))
}

pub(crate) fn preferred(domain: &Domain<'_>, obstacles: &[Obstacle], slot: u8) -> Option<PciAddress> {
    let machine = machine(domain)?;
    let address = PciAddress::new(0, slot, 0)?;
    (machine.owner(slot).is_none() && whole_slot_is_free(obstacles, address)).then_some(address)
}

/// The lowest slot above `other` on its bus that is wholly free.
fn above(domain: &Domain<'_>, obstacles: &[Obstacle], other: PciAddress) -> Option<PciAddress> {
    let machine = machine(domain)?;
    (other.slot() + 1..=PciAddress::LAST_SLOT)
        .filter(|&slot| other.bus() > 0 || machine.owner(slot).is_none())
        .filter_map(|slot| PciAddress::new(other.bus(), slot, 0))
        .find(|&address| whole_slot_is_free(obstacles, address) && exact(domain, obstacles, address).is_ok())
}

/// `address`, if a device can be there.
pub(crate) fn exact(
    domain: &Domain<'_>,
    obstacles: &[Obstacle],
    address: PciAddress,
) -> Result<PciAddress, Refused> {
    if let Some(obstacle) = obstacles.iter().find(|obstacle| obstacle.address == address) {
        let at = domain.position(obstacle.start);
        return Err(Reason::AddressTaken { address, occupant: obstacle.what.clone(), at }.at(at));
    }
    let (bus, slot) = (address.bus(), address.slot());
    if bus == 0 {
        let owner = machine(domain).and_then(|machine| machine.owner(slot));
        // Every machine with PCI has its host bridge there.
        return match owner.or((slot == 0).then_some("the host bridge")) {
            Some(owner) => Err(Reason::MachineSlot { slot, owner }.into()),
            None => Ok(address),
        };
    }
    let controller = domain.controllers().iter().find(|controller| controller.index == bus);
    let Some(controller) = controller else {
        return Err(Reason::NoSuchBus { bus }.into());
    };
    let model = controller.model.clone();
    match model.as_str() {
        "pcie-root-port" | "pcie-switch-downstream-port" if (slot, address.function()) != (0, 0) => {
            Err(Reason::OnlySlotZero { bus, model, address }.into())
        }
        "pcie-switch-upstream-port" | "pcie-expander-bus" => Err(Reason::BridgesOnly { bus, model }.into()),
        "pci-bridge" | "pcie-to-pci-bridge" | "pci-root" | "pcie-root" if slot == 0 => {
            Err(Reason::NoSlotZero { bus, model }.into())
        }
        _ => Ok(address),
    }
}

/// The slots of bus 0 that an i440FX leaves to devices.
fn slots() -> impl Iterator<Item = PciAddress> {
    (0..=PciAddress::LAST_SLOT)
        .filter(|&slot| Machine::Pc.owner(slot).is_none())
        .filter_map(|slot| PciAddress::new(0, slot, 0))
}

fn is_full(obstacles: &[Obstacle]) -> bool {
    slots().all(|address| !whole_slot_is_free(obstacles, address))
}

/// Whether libvirt has another bus to choose a slot on.
fn has_bridge(domain: &Domain<'_>) -> bool {
    domain.controllers().iter().any(|controller| controller.model == "pci-bridge")
}

/// A free function beside a device: one whose slot says that it has several if there is any, else of any slot; libvirt
/// then says so for its function 0.
fn function_of_endpoint(obstacles: &[Obstacle]) -> Option<PciAddress> {
    let mut hosts: Vec<&Obstacle> = obstacles
        .iter()
        .filter(|obstacle| {
            obstacle.address.bus() == 0 && obstacle.address.function() == 0 && !obstacle.bridge
        })
        .filter(|obstacle| Machine::Pc.owner(obstacle.address.slot()).is_none())
        .collect();
    hosts.sort_by_key(|host| (!host.multifunction, host.address));
    hosts.into_iter().find_map(|host| {
        (1..=7)
            .filter_map(|function| PciAddress::new(0, host.address.slot(), function))
            .find(|&address| obstacles.iter().all(|obstacle| obstacle.address != address))
    })
}
