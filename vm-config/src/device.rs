//! The device of one domain: region, model, role and alias, and its element.

use std::fmt::Write as _;

use thiserror::Error;

use crate::domain::Layout;
use crate::{PciAddress, Shmem};

/// What builds the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Model {
    /// `ivshmem-plain`, in QEMU since 2.6.
    #[default]
    Plain,
    /// `ivshmem`, which QEMU had before 4.0.
    Legacy,
}

impl Model {
    /// The name of the model for QEMU and libvirt.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "ivshmem-plain",
            Self::Legacy => "ivshmem",
        }
    }
}

/// Whose the bytes of the region are when a domain is saved or migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The region stays behind; QEMU then refuses to save or migrate the domain.
    Peer,
    /// The region goes with the domain, and a restore writes the saved bytes over it.
    Master,
}

impl Role {
    /// The name of the role for libvirt.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Master => "master",
        }
    }
}

/// What a device is called inside a domain: libvirt takes no second device of the same alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias(String);

/// Why a text cannot be the alias of a device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AliasError {
    /// libvirt drops such an alias without a word.
    #[error(
        "{0:?} is no alias: it begins with ua- and then has letters, digits, '_' and '-' only, such as ua-fg_i3"
    )]
    NotAnAlias(String),
}

impl Alias {
    /// The alias `text`.
    ///
    /// # Errors
    ///
    /// [`AliasError`] if libvirt would drop it.
    pub fn new(text: &str) -> Result<Self, AliasError> {
        let rest = text.strip_prefix("ua-").unwrap_or_default();
        let taken = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
        if rest.is_empty() || !rest.bytes().all(taken) {
            return Err(AliasError::NotAnAlias(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The alias that a device for `region` gets if nothing else is asked for: `ua-NAME`, with `_` for each `.`.
    #[must_use]
    pub fn of_region(region: &Shmem) -> Self {
        Self(format!("ua-{}", region.name().replace('.', "_")))
    }

    /// The alias.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The device as a domain is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The region it shows.
    pub region: Shmem,
    /// What builds it.
    pub model: Model,
    /// Its role; `None` says nothing, which QEMU takes as [`Role::Peer`].
    pub role: Option<Role>,
    /// Its alias.
    pub alias: Alias,
}

impl Device {
    /// The plain device for `region`, without a role, with the alias `ua-NAME`.
    #[must_use]
    pub fn new(region: Shmem) -> Self {
        let alias = Alias::of_region(&region);
        Self { region, model: Model::default(), role: None, alias }
    }

    /// The element that gives the device to a libvirt domain; it belongs inside `<devices>`.
    ///
    /// Model and size are always written: libvirt accepts an element without them, then builds another device. The
    /// text begins with `<shmem` and ends with `</shmem>`; only the lines after its first are indented by `layout`.
    #[must_use]
    pub fn libvirt_xml(&self, address: Option<PciAddress>, layout: &Layout) -> String {
        let q = layout.quote();
        let mut children = vec![
            format!("<model type={q}{}{q}/>", self.model.name()),
            format!("<size unit={q}M{q}>{}</size>", self.region.size().mib()),
            format!("<alias name={q}{}{q}/>", self.alias.as_str()),
        ];
        if let Some(address) = address {
            let (bus, slot, function) = (address.bus(), address.slot(), address.function());
            children.push(format!(
                "<address type={q}pci{q} domain={q}0x0000{q} bus={q}{bus:#04x}{q} slot={q}{slot:#04x}{q} \
                 function={q}{function:#x}{q}/>"
            ));
        }
        let mut xml = format!("<shmem name={q}{}{q}", self.region.name());
        if let Some(role) = self.role {
            // Writing to a String cannot fail.
            let _ = write!(xml, " role={q}{}{q}", role.name());
        }
        xml.push('>');
        for child in children {
            xml.push_str(&layout.line(1));
            xml.push_str(&child);
        }
        xml.push_str(&layout.line(0));
        xml.push_str("</shmem>");
        xml
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::new(Shmem::new("fg_i3", "8M".parse().unwrap()).unwrap())
    }

    #[test]
    fn the_element_has_what_libvirt_must_not_choose() {
        assert_eq!(
            device().libvirt_xml(None, &Layout::default()),
            "<shmem name='fg_i3'>\n  <model type='ivshmem-plain'/>\n  <size unit='M'>8</size>\n  \
             <alias name='ua-fg_i3'/>\n</shmem>"
        );
    }

    #[test]
    fn role_and_address_are_written_when_asked_for() {
        let device = Device { role: Some(Role::Peer), model: Model::Legacy, ..device() };
        let xml = device.libvirt_xml(PciAddress::new(0, 0x1f, 0), &Layout::default());
        assert!(xml.starts_with("<shmem name='fg_i3' role='peer'>\n  <model type='ivshmem'/>\n"), "{xml}");
        assert!(
            xml.contains("\n  <address type='pci' domain='0x0000' bus='0x00' slot='0x1f' function='0x0'/>\n"),
            "{xml}"
        );
    }

    #[test]
    fn an_alias_is_one_that_libvirt_keeps() {
        for text in ["", "ua-", "fg_i3", "ua-a.b", "ua-a b", "UA-x"] {
            assert_eq!(Alias::new(text), Err(AliasError::NotAnAlias(text.to_owned())));
        }
        assert_eq!(Alias::new("ua-x_1-2").unwrap().as_str(), "ua-x_1-2");
        let region = Shmem::new("a.b", "1M".parse().unwrap()).unwrap();
        assert_eq!(Alias::of_region(&region), Alias::new("ua-a_b").unwrap());
    }
}
