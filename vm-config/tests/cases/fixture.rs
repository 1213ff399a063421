//! Domains to try things on, and what is done with them.

use ivring_vm_config::{Action, Domain, OnConflict, Plan, Reason, Refused, Request, Shmem, Slot, Unreadable};

/// A domain of the machine type `machine` with `devices` inside `<devices>`.
pub fn domain(machine: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm'>\n  <name>web1</name>\n  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n  <os>\n    \
         <type arch='x86_64' machine='{machine}'>hvm</type>\n  </os>\n  <devices>\n    \
         <emulator>/usr/bin/qemu-system-x86_64</emulator>\n{devices}  </devices>\n</domain>\n"
    )
}

/// A device at `address`, given as `bus='..' slot='..' function='..'`.
pub fn device_at(address: &str) -> String {
    format!("    <interface type='user'>\n      <address type='pci' {address}/>\n    </interface>\n")
}

/// A device of `name` with the child elements `children`.
pub fn shmem(name: &str, children: &str) -> String {
    format!("    <shmem name='{name}'>{children}</shmem>\n")
}

/// The children of the device that the tests ask for.
pub const PLAIN_8M: &str = "<model type='ivshmem-plain'/><size unit='M'>8</size>";

/// The device that the tests ask for: the plain one for `fg_i3` with 8 MiB.
pub fn request() -> Request {
    Request::shared(Shmem::new("fg_i3", "8M".parse().expect("a size")).expect("a name"))
}

/// The same with another slot.
pub fn with_slot(slot: &str) -> Request {
    request().with_slot(slot.parse::<Slot>().expect("a slot"))
}

/// The same with an answer to conflicts.
pub fn with_conflict(on_conflict: OnConflict) -> Request {
    request().with_conflict(on_conflict)
}

/// `xml` patched, and checked: a second run changes nothing, a removal gives `xml` again.
pub fn patched(xml: &str, request: &Request) -> String {
    let domain = Domain::read(xml.as_bytes()).expect("a domain");
    let plan = Plan::install(&domain, request).expect("it is not refused");
    assert_eq!(plan.action(), Action::Insert);
    let patched = plan.carry_out(&domain);
    unchanged(&patched, request);
    assert_eq!(removed(&patched), xml, "a removal gives the original");
    patched
}

/// Where the device comes to sit: an address, or `auto`.
pub fn address(xml: &str, request: &Request) -> String {
    patched(xml, request);
    let domain = Domain::read(xml.as_bytes()).expect("a domain");
    let address = Plan::install(&domain, request).expect("it is not refused").address();
    address.map_or("auto".to_owned(), |address| address.to_string())
}

/// Checks that nothing is to be done with `xml`.
pub fn unchanged(xml: &str, request: &Request) {
    let domain = Domain::read(xml.as_bytes()).expect("a domain");
    let plan = Plan::install(&domain, request).expect("it is not refused");
    assert_eq!(plan.action(), Action::Nothing, "{xml}");
    assert_eq!(plan.carry_out(&domain), xml);
}

/// `xml` with the device that differs replaced.
pub fn replaced(xml: &str) -> String {
    let request = with_conflict(OnConflict::Replace);
    let domain = Domain::read(xml.as_bytes()).expect("a domain");
    let plan = Plan::install(&domain, &request).expect("it is not refused");
    assert_eq!(plan.action(), Action::Replace);
    let replaced = plan.carry_out(&domain);
    unchanged(&replaced, &request);
    assert_eq!(Domain::read(replaced.as_bytes()).expect("a domain").existing().len(), 1);
    replaced
}

/// `xml` without the device.
pub fn removed(xml: &str) -> String {
    let domain = Domain::read(xml.as_bytes()).expect("a domain");
    Plan::remove(&domain, &request()).expect("it is not refused").carry_out(&domain)
}

/// Why `xml` is refused, and where.
pub fn refused(xml: &str, request: &Request) -> Refused {
    let domain = Domain::read(xml.as_bytes()).expect("a domain");
    Plan::install(&domain, request).expect_err("it is refused")
}

/// How the device in `xml` differs from the one asked for.
pub fn differences(xml: &str) -> String {
    unchanged(xml, &with_conflict(OnConflict::Keep));
    match refused(xml, &request()).reason {
        Reason::Differs { differences, .. } => differences,
        other => panic!("{other}"),
    }
}

/// Why `bytes` are no domain.
pub fn unreadable(bytes: &[u8]) -> Unreadable {
    Domain::read(bytes).expect_err("it is refused")
}
