//! What holds for every text: no byte beside the device changes, twice is once, and nothing panics.

use ivring_vm_config::{
    Action, Domain, Layout, OnConflict, PciAddress, Plan, Request, Shmem, Slot, hot_plug, unified,
};
use proptest::prelude::*;

fn request() -> Request {
    Request::shared(Shmem::new("fg_i3", "8M".parse().expect("a size")).expect("a name"))
}

fn white_space() -> impl Strategy<Value = String> {
    "[ \t]{0,3}(\n|\r\n)?[ \t]{0,4}"
}

/// Things between elements that are no elements.
fn filling() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => white_space(),
        1 => Just("<!-- </devices> <shmem name='fg_i3'/> -->".to_owned()),
        1 => Just("<![CDATA[ <devices></devices> ]]>".to_owned()),
        1 => Just("<?pi </devices> ?>".to_owned()),
        1 => Just("&#10;&amp;".to_owned()),
    ]
}

/// Elements that are not to be taken for what they look like, and plain ones.
fn element() -> impl Strategy<Value = String> {
    let slot = (0_u8..40, 0_u8..9);
    prop_oneof![
        Just("<rng/>".to_owned()),
        Just("<x:shmem xmlns:x='urn:x' name='fg_i3'/>".to_owned()),
        Just("<x:devices xmlns:x='urn:x'><shmem name='fg_i3'/></x:devices>".to_owned()),
        Just("<shmem name=\"other\"><size unit='M'>1</size></shmem>".to_owned()),
        Just("<controller type='pci' index='1' model='pci-bridge'/>".to_owned()),
        slot.prop_map(|(slot, function)| {
            format!("<disk><address type='pci' bus='0x00' slot='{slot:#x}' function=\"{function}\"/></disk>")
        }),
    ]
}

/// Elements with filling around each.
fn content() -> impl Strategy<Value = String> {
    (filling(), proptest::collection::vec((element(), filling()), 0..5)).prop_map(|(first, rest)| {
        let rest: String = rest.into_iter().flat_map(|(element, filling)| [element, filling]).collect();
        first + &rest
    })
}

fn devices() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (white_space(), content()).prop_map(|(space, content)| format!("<devices{space}>{content}</devices{space}>")),
        1 => white_space().prop_map(|space| format!("<devices{space}/>")),
        1 => Just(String::new()),
    ]
}

fn domain() -> impl Strategy<Value = String> {
    let machine = prop_oneof![Just("pc"), Just("q35"), Just("pc-i440fx-7.2"), Just("other")];
    let head = prop_oneof![
        Just(""),
        Just("\u{feff}"),
        Just("<?xml version='1.0' encoding=\"utf-8\"?>\r\n"),
        Just("<!-- x -->\n")
    ];
    (head, machine, devices(), proptest::array::uniform4(filling()), any::<bool>()).prop_map(
        |(head, machine, devices, [a, b, c, d], double)| {
            let machine = if double { format!("\"{machine}\"") } else { format!("'{machine}'") };
            format!(
                "{head}<domain type='kvm'>{a}<os><type machine={machine}/></os>{b}{devices}{c}<q:commandline \
                 xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'/>{d}</domain>"
            )
        },
    )
}

/// Where the controllers and devices of a domain are: index and model of each controller, which all sit elsewhere.
type Places = (Vec<(u8, &'static str)>, Vec<PciAddress>);

fn places() -> impl Strategy<Value = Places> {
    let model = prop_oneof![
        Just("pcie-root-port"),
        Just("pcie-to-pci-bridge"),
        Just("pci-bridge"),
        Just("pcie-switch-upstream-port")
    ];
    let controllers = proptest::collection::btree_map(1_u8..4, model, 0..3);
    let address = (0_u8..5, 1_u8..32, 0_u8..8).prop_map(|(bus, slot, function)| {
        let slot = if slot % 2 == 0 { slot % 4 } else { slot };
        PciAddress::new(bus, slot, function).expect("an address")
    });
    (controllers, proptest::collection::vec(address, 0..40))
        .prop_map(|(controllers, devices)| (controllers.into_iter().collect(), devices))
}

fn running(machine: &str, (controllers, devices): &Places) -> String {
    let controllers = controllers
        .iter()
        .map(|(index, model)| format!("<controller type='pci' index='{index}' model='{model}'/>"));
    let devices = devices.iter().map(|address| {
        let (bus, slot, function) = (address.bus(), address.slot(), address.function());
        format!("<disk><address type='pci' bus='{bus}' slot='{slot}' function='{function}'/></disk>")
    });
    let devices: String = controllers.chain(devices).collect();
    format!(
        "<domain type='kvm' id='1'><os><type machine='{machine}'/></os><features><acpi/></features><devices>{devices}\
         </devices></domain>"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn case_54_patch_then_remove_is_nothing(xml in domain()) {
        let before = Domain::read(xml.as_bytes()).unwrap();
        let Ok(plan) = Plan::install(&before, &request()) else {
            return Ok(());
        };
        prop_assert_eq!(plan.action(), Action::Insert);
        let patched = plan.carry_out(&before);
        let after = Domain::read(patched.as_bytes()).unwrap();
        prop_assert_eq!(after.existing().len(), before.existing().len() + 1);

        let again = Plan::install(&after, &request()).unwrap();
        prop_assert_eq!(again.action(), Action::Nothing);
        prop_assert_eq!(again.carry_out(&after), &*patched);

        let removal = Plan::remove(&after, &request()).unwrap();
        prop_assert_eq!(removal.action(), Action::Remove);
        prop_assert_eq!(removal.carry_out(&after), xml);
    }

    #[test]
    fn a_patch_only_adds(xml in domain()) {
        let domain = Domain::read(xml.as_bytes()).unwrap();
        let Ok(plan) = Plan::install(&domain, &request()) else {
            return Ok(());
        };
        let patched = plan.carry_out(&domain);
        let same = |(a, b): &(u8, u8)| a == b;
        let before = xml.bytes().zip(patched.bytes()).take_while(same).count();
        let after = xml.bytes().rev().zip(patched.bytes().rev()).take_while(same).count();
        // `<devices/>` alone loses two bytes, which its closing tag has again.
        prop_assert!(before + after + 1 >= xml.len(), "{}", patched);
        prop_assert_eq!(patched.contains("\r\n"), xml.contains("\r\n"));
    }

    #[test]
    fn a_replacement_changes_the_element_alone(xml in domain(), size in 0_u64..40) {
        let other = format!("<shmem name='fg_i3'><size unit='M'>{size}</size></shmem>");
        let xml = xml.replacen("</devices", &format!("{other}</devices"), 1);
        let before = Domain::read(xml.as_bytes()).unwrap();
        let request = request().with_conflict(OnConflict::Replace);
        if !before.existing().iter().any(|shmem| shmem.name() == "fg_i3") {
            return Ok(());
        }
        let plan = Plan::install(&before, &request);
        let Ok(plan) = plan else { return Ok(()) };
        prop_assert_eq!(plan.action(), Action::Replace);
        let patched = plan.carry_out(&before);
        let after = Domain::read(patched.as_bytes()).unwrap();
        let own = after.existing().iter().find(|shmem| shmem.name() == "fg_i3").unwrap();
        let element = plan.device().libvirt_xml(plan.address(), &Layout::default());
        prop_assert_eq!(own.differences(plan.device()), Vec::<String>::new());
        let without = |text: &str, range: std::ops::Range<usize>| [&text[..range.start], &text[range.end..]].concat();
        let old = before.existing().iter().find(|shmem| shmem.name() == "fg_i3").unwrap();
        prop_assert_eq!(without(&patched, own.range()), without(&xml, old.range()));
        prop_assert!(element.starts_with("<shmem name='fg_i3'"));
    }

    #[test]
    fn mutated_text_does_no_harm(
        xml in domain(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..20, ".{0,4}"), 0..6),
    ) {
        let mut text: Vec<char> = xml.chars().collect();
        for (at, length, new) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let _ = unified("x", &xml, &text);
        let Ok(before) = Domain::read(text.as_bytes()) else { return Ok(()) };
        let Ok(plan) = Plan::install(&before, &request()) else { return Ok(()) };
        let patched = plan.carry_out(&before);
        let after = Domain::read(patched.as_bytes()).unwrap();
        let own = after.existing().iter().filter(|shmem| shmem.name() == "fg_i3").count();
        prop_assert_eq!(own, 1);
        if plan.action() == Action::Insert {
            prop_assert_eq!(Plan::remove(&after, &request()).unwrap().carry_out(&after), text);
        }
    }

    #[test]
    fn what_is_plugged_in_is_in_nothings_way(
        live in places(),
        config in places(),
        pc in any::<bool>(),
        slot in prop_oneof![
            Just(Slot::Auto),
            (1_u8..32).prop_map(Slot::Prefer),
            (0_u8..5, 0_u8..32).prop_map(|(bus, slot)| Slot::Exact(PciAddress::new(bus, slot, 0).expect("an address"))),
        ],
    ) {
        let machine = if pc { "pc" } else { "q35" };
        let texts = [running(machine, &live), running(machine, &config)];
        let domains = texts.each_ref().map(|text| Domain::read(text.as_bytes()).unwrap());
        let request = request().with_slot(slot);
        let Ok(address) = hot_plug(&domains[0], Some(&domains[1]), &request) else { return Ok(()) };
        if let Slot::Exact(wanted) = slot {
            prop_assert_eq!(address, wanted);
        }
        for (controllers, devices) in [live, config] {
            prop_assert!(devices.iter().all(|device| !device.shares_slot(address)), "{}", address);
            if address.bus() == 0 {
                prop_assert!(pc && address.slot() > 1, "{}", address);
                continue;
            }
            let model = controllers.iter().find(|(index, _)| *index == address.bus()).map(|(_, model)| *model);
            match model {
                Some("pcie-root-port") => prop_assert_eq!((address.slot(), address.function()), (0, 0)),
                Some("pcie-to-pci-bridge" | "pci-bridge") => prop_assert!(address.slot() > 0, "{}", address),
                other => prop_assert!(false, "{} on {:?}", address, other),
            }
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(domain) = Domain::read(&bytes) {
            let _ = Plan::install(&domain, &request());
        }
    }
}
