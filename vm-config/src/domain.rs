//! A domain as far as it matters for one device: read once, nothing of it changed.

mod addresses;
mod command_line;
mod existing;
mod layout;
mod read;
mod site;

use std::ops::Range;

use roxmltree::Node;

pub(crate) use addresses::{Controller, Occupant};
pub(crate) use command_line::CommandLine;
pub use existing::Existing;
pub use layout::Layout;
pub(crate) use layout::white_space_before;
pub(crate) use read::{document, printable};
pub(crate) use site::{Marker, Site};

use crate::{PciAddress, Position, Unreadable};

/// Whose chips a domain's bus 0 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chipset {
    /// `pc`: bus 0 is `pci-root`.
    I440fx,
    /// `q35`: bus 0 is `pcie-root`.
    Q35,
    /// Another machine, or one that the XML does not name.
    Other,
}

/// A domain as far as it matters for one device.
///
/// It borrows the text it was read from and knows where in it everything is.
#[derive(Debug)]
pub struct Domain<'t> {
    text: &'t str,
    name: Option<String>,
    uuid: Option<String>,
    live: Option<Position>,
    root_at: Position,
    machine_at: Position,
    kind: String,
    arch: Option<String>,
    machine: Option<String>,
    emulator: Option<String>,
    protected: bool,
    acpi: bool,
    chipset: Chipset,
    controllers: Vec<Controller>,
    occupants: Vec<Occupant>,
    existing: Vec<Existing>,
    aliases: Vec<(String, Range<usize>)>,
    command_line: CommandLine,
    site: Site,
}

impl<'t> Domain<'t> {
    /// Reads the XML of one domain.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if `bytes` are anything else.
    pub fn read(bytes: &'t [u8]) -> Result<Self, Unreadable> {
        let text = read::text(bytes)?;
        let document = read::document(text)?;
        let root = read::root(&document)?;
        let os_type = child(root, "os").and_then(|os| child(os, "type"));
        let os_attribute =
            |name| os_type.and_then(|os_type: Node<'_, '_>| os_type.attribute(name)).map(str::to_owned);
        let (arch, machine) = (os_attribute("arch"), os_attribute("machine"));
        let root_at = Position::of(text, root.range().start);
        let controllers = addresses::controllers(root);
        let chipset = chipset(&controllers, arch.as_deref(), machine.as_deref());
        Ok(Self {
            text,
            name: text_of(root, "name"),
            uuid: text_of(root, "uuid").or_else(|| smbios_uuid(root)),
            live: root.attribute("id").map(|_| root_at),
            root_at,
            machine_at: os_type.map_or(root_at, |os_type| Position::of(text, os_type.range().start)),
            kind: root.attribute("type").unwrap_or_default().to_owned(),
            emulator: child(root, "devices").and_then(|devices| text_of(devices, "emulator")),
            protected: child(root, "launchSecurity").is_some(),
            acpi: child(root, "features").is_some_and(|features| child(features, "acpi").is_some()),
            occupants: addresses::occupants(root),
            existing: devices(root)
                .filter(|device| device.has_tag_name("shmem"))
                .map(|shmem| Existing::read(text, shmem))
                .collect(),
            aliases: devices(root)
                .filter_map(|device| {
                    let alias = child(device, "alias")?.attribute("name")?;
                    Some((alias.to_owned(), device.range()))
                })
                .collect(),
            command_line: CommandLine::read(root),
            site: Site::read(text, root),
            arch,
            machine,
            chipset,
            controllers,
        })
    }

    /// The text the domain was read from.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The name of the domain.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The UUID of the domain, as it is written: its own, or without one that among its SMBIOS strings, as libvirt takes it.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Where the domain begins, and says of what type it is.
    pub(crate) fn root_at(&self) -> Position {
        self.root_at
    }

    /// Where the domain says of what architecture and machine it is.
    pub(crate) fn machine_at(&self) -> Position {
        self.machine_at
    }

    /// Where the domain says that it is a running one: such XML holds what libvirt chose for one run, and must not
    /// be defined.
    #[must_use]
    pub fn live(&self) -> Option<Position> {
        self.live
    }

    /// The ivshmem devices the domain has, in the order of the document.
    #[must_use]
    pub fn existing(&self) -> &[Existing] {
        &self.existing
    }

    /// Where the byte `offset` of the text is.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        Position::of(self.text, offset)
    }

    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn arch(&self) -> Option<&str> {
        self.arch.as_deref()
    }

    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    /// The program that runs the domain.
    pub(crate) fn emulator(&self) -> Option<&str> {
        self.emulator.as_deref()
    }

    /// Whether the memory of the domain is kept from its host.
    pub(crate) fn protected(&self) -> bool {
        self.protected
    }

    /// Whether the machine has ACPI.
    pub(crate) fn acpi(&self) -> bool {
        self.acpi
    }

    pub(crate) fn chipset(&self) -> Chipset {
        self.chipset
    }

    pub(crate) fn controllers(&self) -> &[Controller] {
        &self.controllers
    }

    pub(crate) fn occupants(&self) -> &[Occupant] {
        &self.occupants
    }

    pub(crate) fn aliases(&self) -> &[(String, Range<usize>)] {
        &self.aliases
    }

    pub(crate) fn command_line(&self) -> &CommandLine {
        &self.command_line
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Whether there are ivshmem devices that are not for the region `name`.
    pub(crate) fn has_other_ivshmem(&self, name: &str) -> bool {
        self.existing.iter().any(|shmem| shmem.name() != name)
            || self.command_line.devices().iter().any(command_line::RawDevice::is_ivshmem)
    }

    /// The addresses of the ivshmem devices that are not for the region `name`.
    pub(crate) fn other_ivshmem(&self, name: &str) -> Vec<PciAddress> {
        let shmems = self.existing.iter().filter(|shmem| shmem.name() != name).filter_map(Existing::address);
        let raw = self
            .command_line
            .devices()
            .iter()
            .filter(|device| device.is_ivshmem())
            .filter_map(|device| device.address);
        shmems.chain(raw).collect()
    }
}

fn chipset(controllers: &[Controller], arch: Option<&str>, machine: Option<&str>) -> Chipset {
    if !matches!(arch, None | Some("x86_64" | "i686")) {
        return Chipset::Other;
    }
    let machine = machine.unwrap_or_default();
    let q35 = machine == "q35" || machine.starts_with("pc-q35-");
    let pc = !q35 && (machine == "pc" || machine.starts_with("pc-"));
    match controllers.iter().find(|controller| controller.index == 0).map(|root| root.model.as_str()) {
        Some("pcie-root") if q35 || machine.is_empty() => Chipset::Q35,
        Some("pci-root") if pc || machine.is_empty() => Chipset::I440fx,
        // What contradicts the machine is for libvirt to refuse.
        Some("pcie-root" | "pci-root") => Chipset::Other,
        _ if q35 => Chipset::Q35,
        _ if pc => Chipset::I440fx,
        _ => Chipset::Other,
    }
}

/// The first child element `name` of `parent` that is in no namespace.
fn child<'a, 'i>(parent: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    parent.children().find(|child| {
        child.is_element() && child.has_tag_name(name) && child.tag_name().namespace().is_none()
    })
}

/// The devices of the domain `root`, each an element.
fn devices<'a, 'i>(root: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    let plain = |node: &Node<'_, '_>| node.is_element() && node.tag_name().namespace().is_none();
    root.children()
        .filter(move |node| plain(node) && node.has_tag_name("devices"))
        .flat_map(move |devices| devices.children().filter(move |node| plain(node)))
}

/// The UUID that the firmware is to show. A domain that names no other is given this one by libvirt
/// (`virSysinfoSystemParseXML`); KubeVirt writes it here alone.
fn smbios_uuid(root: Node<'_, '_>) -> Option<String> {
    let is_smbios =
        |node: &Node<'_, '_>| node.has_tag_name("sysinfo") && node.attribute("type") == Some("smbios");
    let is_uuid = |node: &Node<'_, '_>| node.has_tag_name("entry") && node.attribute("name") == Some("uuid");
    let strings = root.children().find(is_smbios)?;
    let uuid = child(strings, "system")?.children().find(is_uuid)?;
    let text = uuid.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn text_of(parent: Node<'_, '_>, name: &str) -> Option<String> {
    let text = child(parent, name)?.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
