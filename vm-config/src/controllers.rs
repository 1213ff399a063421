//! The PCI controllers that came with a device, and can go with it.

use std::ops::Range;

use crate::domain::Controller;
use crate::{Domain, PciAddress};

/// The elements of the PCI controllers that libvirt added to a domain to have a place for the device of `region`, and
/// that nothing uses once the device is gone. The highest index comes first, and they can be detached in that order.
///
/// `before` is the domain before it got the device; `now` has the device still, and the ranges are those of its text.
///
/// On a `q35` without a PCI bridge, libvirt 9.0 adds a bridge, the root ports up to it and one spare root port, with
/// the indexes that follow those in use. Of the controllers that came after those, or that another device has come to
/// use, none is told. Nor is one below them: libvirt would put another in its place, as it leaves no index out.
#[must_use]
pub fn added_controllers(before: &Domain<'_>, now: &Domain<'_>, region: &str) -> Vec<Range<usize>> {
    let own = now.existing().iter().filter(|shmem| shmem.name() == region);
    let mut gone: Vec<usize> = own.clone().map(|shmem| shmem.range().start).collect();
    let on_the_way = own.filter_map(|shmem| shmem.address()).map(|address| on_the_way(before, now, address));
    let Some(on_the_way @ 1..) = on_the_way.max() else {
        return Vec::new();
    };
    let last_before = before.controllers().iter().map(|controller| controller.index).max().unwrap_or(0);
    let last = last_before.saturating_add(on_the_way).saturating_add(1);
    let mut controllers: Vec<&Controller> = now.controllers().iter().collect();
    controllers.sort_by_key(|controller| std::cmp::Reverse(controller.index));
    let mut added = Vec::new();
    for controller in controllers {
        if controller.index > last || !is_new(before, controller.index) || is_used(now, controller, &gone) {
            break;
        }
        gone.push(controller.range.start);
        added.push(controller.range.clone());
    }
    added
}

fn is_new(before: &Domain<'_>, bus: u8) -> bool {
    bus > 0 && before.controllers().iter().all(|controller| controller.index != bus)
}

fn address_of(domain: &Domain<'_>, controller: &Controller) -> Option<PciAddress> {
    let occupant = domain.occupants().iter().find(|occupant| occupant.range == controller.range)?;
    Some(occupant.address)
}

/// How many new controllers there are between `address` and the nearest old one.
fn on_the_way(before: &Domain<'_>, now: &Domain<'_>, address: PciAddress) -> u8 {
    let (mut count, mut bus) = (0, address.bus());
    while is_new(before, bus) {
        count += 1;
        let controller = now.controllers().iter().find(|controller| controller.index == bus);
        match controller.and_then(|controller| address_of(now, controller)) {
            // A controller sits on a bus of a lower number than its own, so this ends.
            Some(address) if address.bus() < bus => bus = address.bus(),
            _ => break,
        }
    }
    count
}

/// Whether anything but what is `gone` (where each begins) needs `controller`.
fn is_used(domain: &Domain<'_>, controller: &Controller, gone: &[usize]) -> bool {
    // A guest looks for the other functions of a slot only if function 0 is there.
    let first = address_of(domain, controller).filter(|address| address.function() == 0);
    let needs = |address: PciAddress| {
        address.bus() == controller.index || first.is_some_and(|first| first.shares_slot(address))
    };
    let mut others = domain
        .occupants()
        .iter()
        .filter(|occupant| occupant.range != controller.range && !gone.contains(&occupant.range.start));
    others.any(|occupant| needs(occupant.address)) || domain.command_line().uses_bus(controller.index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NIC: &str = "interface";
    const NOTHING: [u8; 0] = [];

    /// Model, index, bus, slot and function of a controller.
    type Parts = (&'static str, u8, u8, u8, u8);

    /// A `q35` with `controllers` and `devices`, each `(element, bus, slot, function)`.
    fn domain(controllers: &[Parts], devices: &[(&str, u8, u8, u8)]) -> String {
        let address = |bus: u8, slot: u8, function: u8| {
            format!("<address type='pci' bus='{bus}' slot='{slot}' function='{function}'/>")
        };
        let mut xml = "<domain type='kvm'><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>\
                       <controller type='pci' index='0' model='pcie-root'/>"
            .to_owned();
        for (model, index, bus, slot, function) in controllers {
            let address = address(*bus, *slot, *function);
            xml += &format!("<controller type='pci' index='{index}' model='{model}'>{address}</controller>");
        }
        for (element, bus, slot, function) in devices {
            xml += &format!("<{element} name='fg_i3'>{}</{element}>", address(*bus, *slot, *function));
        }
        xml + "</devices></domain>"
    }

    /// The indexes of what came with the device, in the order in which it can go.
    fn added(before: &str, now: &str) -> Vec<u8> {
        let (before, now) = (Domain::read(before.as_bytes()).unwrap(), Domain::read(now.as_bytes()).unwrap());
        let index = |range: Range<usize>| {
            assert!(now.text()[range.clone()].ends_with("</controller>"));
            now.controllers().iter().find(|controller| controller.range == range).unwrap().index
        };
        added_controllers(&before, &now, "fg_i3").into_iter().map(index).collect()
    }

    const PORT: &str = "pcie-root-port";
    const BRIDGE: &str = "pcie-to-pci-bridge";
    const OURS: &str = "shmem";

    /// What libvirt makes of a `q35` with a spare port: the bridge goes there, and there is another spare one.
    fn with_a_spare_port() -> [Vec<Parts>; 2] {
        let before = vec![(PORT, 1, 0, 1, 0), (PORT, 2, 0, 1, 1), (PORT, 3, 0, 1, 2)];
        let mut now = before.clone();
        now.extend([(PORT, 4, 0, 1, 3), (BRIDGE, 5, 3, 0, 0)]);
        [before, now]
    }

    #[test]
    fn what_libvirt_added_is_told_from_the_highest_index_down() {
        let [before, now] = with_a_spare_port();
        let mut shuffled = now.clone();
        shuffled.reverse();
        for now in [now, shuffled] {
            assert_eq!(added(&domain(&before, &[]), &domain(&now, &[(OURS, 5, 1, 0)])), [5, 4]);
        }
        let from_nothing = [(PORT, 1, 0, 1, 0), (BRIDGE, 2, 1, 0, 0), (PORT, 3, 0, 1, 1)];
        assert_eq!(added(&domain(&[], &[]), &domain(&from_nothing, &[(OURS, 2, 1, 0)])), [3, 2, 1]);
        let dmi = [("dmi-to-pci-bridge", 1, 0, 1, 0), ("pci-bridge", 2, 1, 0, 0)];
        assert_eq!(added(&domain(&dmi[..1], &[]), &domain(&dmi, &[(OURS, 2, 1, 0)])), [2]);
    }

    #[test]
    fn what_was_there_before_stays() {
        let [before, now] = with_a_spare_port();
        assert_eq!(added(&domain(&now, &[]), &domain(&now, &[(OURS, 5, 1, 0)])), NOTHING);
        // The device came to a place that was there, so whatever is new is not its.
        assert_eq!(added(&domain(&before, &[]), &domain(&now, &[(OURS, 3, 0, 0)])), NOTHING);
        assert_eq!(added(&domain(&before, &[]), &domain(&now, &[(OURS, 0, 0x10, 0)])), NOTHING);
        assert_eq!(added(&domain(&before, &[]), &domain(&now, &[])), NOTHING);
    }

    #[test]
    fn what_another_device_uses_stays_with_all_below_it() {
        let [before, now] = with_a_spare_port();
        let before = domain(&before, &[]);
        let with = |devices: &[_]| added(&before, &domain(&now, &[&[(OURS, 5, 1, 0)], devices].concat()));
        assert_eq!(with(&[(NIC, 4, 0, 0)]), [5]);
        assert_eq!(with(&[(NIC, 5, 2, 0)]), NOTHING);
        assert_eq!(with(&[(NIC, 2, 0, 0)]), [5, 4]);
        let raw = "</devices><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg \
                   value='-device'/><q:arg value='edu,bus=pci.4'/></q:commandline>";
        let now = domain(&now, &[(OURS, 5, 1, 0)]).replace("</devices>", raw);
        assert_eq!(added(&before, &now), [5]);
    }

    #[test]
    fn what_another_added_later_stays_with_all_below_it() {
        let [before, mut now] = with_a_spare_port();
        now.push((PORT, 6, 0, 1, 4));
        assert_eq!(added(&domain(&before, &[]), &domain(&now, &[(OURS, 5, 1, 0)])), NOTHING);
    }

    #[test]
    fn function_0_stays_while_its_slot_has_others() {
        let before = [(PORT, 1, 0, 1, 7)];
        let now = [(PORT, 1, 0, 1, 7), (PORT, 2, 0, 2, 0), (BRIDGE, 3, 1, 0, 0)];
        let with = |devices: &[_]| {
            added(&domain(&before, &[]), &domain(&now, &[&[(OURS, 3, 1, 0)], devices].concat()))
        };
        assert_eq!(with(&[]), [3, 2]);
        assert_eq!(with(&[(NIC, 0, 2, 1)]), [3]);
        // The other way round nothing is lost.
        let moved = now.map(|(model, index, bus, slot, function)| {
            (model, index, bus, slot, if index == 2 { 1 } else { function })
        });
        let now = domain(&moved, &[(OURS, 3, 1, 0), (NIC, 0, 2, 0)]);
        assert_eq!(added(&domain(&before, &[]), &now), [3, 2]);
    }

    #[test]
    fn controllers_that_sit_on_each_other_do_no_harm() {
        let before = domain(&[], &[]);
        let now = domain(&[(BRIDGE, 1, 2, 1, 0), (BRIDGE, 2, 1, 1, 0)], &[(OURS, 1, 1, 0)]);
        assert_eq!(added(&before, &now), NOTHING);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn nothing_misses_what_goes(
            places in proptest::collection::vec((0_usize..3, any::<prop::sample::Index>(), 0_u8..4, 0_u8..3), 0..6),
            old in any::<prop::sample::Index>(),
            devices in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..4, 0_u8..3), 0..4),
            own in any::<prop::sample::Index>(),
        ) {
            let controllers: Vec<Parts> = (1..)
                .zip(&places)
                .map(|(index, (model, bus, slot, function))| {
                    let bus = u8::try_from(bus.index(usize::from(index))).unwrap();
                    ([PORT, BRIDGE, "pci-bridge"][*model], index, bus, *slot, *function)
                })
                .collect();
            let old = old.index(controllers.len() + 1);
            let on_a_bus = |bus: &prop::sample::Index| u8::try_from(bus.index(controllers.len() + 1)).unwrap();
            let mut all: Vec<_> =
                devices.iter().map(|(bus, slot, function)| (NIC, on_a_bus(bus), *slot, *function)).collect();
            all.push((OURS, on_a_bus(&own), 1, 0));
            let told = added(&domain(&controllers[..old], &[]), &domain(&controllers, &all));

            let last = u8::try_from(controllers.len()).unwrap();
            prop_assert!(told.iter().copied().eq((0..).map(|at| last - at).take(told.len())), "{told:?}");
            prop_assert!(told.iter().all(|&index| usize::from(index) > old), "{told:?}");
            let stay = controllers.iter().filter(|parts| !told.contains(&parts.1)).map(|parts| parts.2);
            let stay = stay.chain(all.iter().filter(|device| device.0 == NIC).map(|device| device.1));
            prop_assert_eq!(stay.filter(|bus| told.contains(bus)).collect::<Vec<_>>(), NOTHING);
        }
    }
}
