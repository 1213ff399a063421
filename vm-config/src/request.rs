//! What is asked for, of every domain alike.

use thiserror::Error;

use crate::{Alias, Device, Domain, Model, Reason, Refused, Role, Shmem, Slot};

/// What becomes of a device for the same region that a domain has already and that differs from the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The domain is refused.
    #[default]
    Refuse,
    /// The device asked for takes its place.
    Replace,
    /// It stays, and the domain counts as done.
    Keep,
}

/// Which region a domain gets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Region {
    Shared(Shmem),
    /// The region is called by this one's name, `-` and the domain's UUID.
    PerDomain(Shmem),
}

/// The device that is asked for, of every domain alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    region: Region,
    model: Model,
    role: Option<Role>,
    alias: Option<Alias>,
    pub(crate) slot: Slot,
    pub(crate) on_conflict: OnConflict,
}

/// Why nothing of the kind can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// A restore of one domain would write over what all others share.
    #[error(
        "the role master is for a region of the domain's own: a restore writes the saved bytes over it, for every \
         other guest too; add --per-domain"
    )]
    MasterOfShared,
    /// The name leaves no room for `-` and a UUID.
    #[error("the name {0:?} is too long to be followed by a UUID: take one of at most 218 characters")]
    NoRoomForUuid(String),
}

/// The length of `-` and a UUID.
const SUFFIX: usize = 37;

impl Request {
    /// The plain device for `region`, which all domains share: no role, the alias `ua-NAME`, the default slot.
    #[must_use]
    pub fn shared(region: Shmem) -> Self {
        Self {
            region: Region::Shared(region),
            model: Model::default(),
            role: None,
            alias: None,
            slot: Slot::default(),
            on_conflict: OnConflict::default(),
        }
    }

    /// The same with a region of each domain's own, called `NAME-UUID`.
    ///
    /// # Errors
    ///
    /// [`RequestError::NoRoomForUuid`].
    pub fn per_domain(region: Shmem) -> Result<Self, RequestError> {
        if region.name().len() + SUFFIX > crate::shmem::LONGEST_NAME {
            return Err(RequestError::NoRoomForUuid(region.name().to_owned()));
        }
        Ok(Self { region: Region::PerDomain(region.clone()), ..Self::shared(region) })
    }

    /// The same with another model.
    #[must_use]
    pub fn with_model(self, model: Model) -> Self {
        Self { model, ..self }
    }

    /// The same with a role.
    ///
    /// # Errors
    ///
    /// [`RequestError::MasterOfShared`].
    pub fn with_role(self, role: Option<Role>) -> Result<Self, RequestError> {
        if role == Some(Role::Master) && matches!(self.region, Region::Shared(_)) {
            return Err(RequestError::MasterOfShared);
        }
        Ok(Self { role, ..self })
    }

    /// The same with an alias other than `ua-NAME`.
    #[must_use]
    pub fn with_alias(self, alias: Option<Alias>) -> Self {
        Self { alias, ..self }
    }

    /// The same in another slot.
    #[must_use]
    pub fn with_slot(self, slot: Slot) -> Self {
        Self { slot, ..self }
    }

    /// The same with another answer to a device that differs.
    #[must_use]
    pub fn with_conflict(self, on_conflict: OnConflict) -> Self {
        Self { on_conflict, ..self }
    }

    /// The device that `domain` is to have.
    ///
    /// # Errors
    ///
    /// [`Reason::NoUuid`] and [`Reason::BadUuid`], if the region is named by it.
    pub fn device_for(&self, domain: &Domain<'_>) -> Result<Device, Refused> {
        let region = match &self.region {
            Region::Shared(region) => region.clone(),
            Region::PerDomain(base) => {
                let uuid = domain.uuid().ok_or(Reason::NoUuid)?;
                let bad = || Reason::BadUuid(uuid.to_owned());
                let uuid = canonical(uuid).ok_or_else(bad)?;
                Shmem::new(&format!("{}-{uuid}", base.name()), base.size()).map_err(|_| bad())?
            }
        };
        let alias = self.alias.clone().unwrap_or_else(|| Alias::of_region(&region));
        Ok(Device { model: self.model, role: self.role, alias, ..Device::new(region) })
    }
}

/// A UUID in libvirt's own form. libvirt reads 32 hexadecimal digits with dashes anywhere between them.
fn canonical(uuid: &str) -> Option<String> {
    let digits: String = uuid.chars().filter(|&c| c != '-').collect::<String>().to_ascii_lowercase();
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    Some(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Shmem {
        Shmem::new(name, "8M".parse().unwrap()).unwrap()
    }

    #[test]
    fn master_needs_a_region_of_its_own() {
        let master = Some(Role::Master);
        assert_eq!(Request::shared(region("r")).with_role(master), Err(RequestError::MasterOfShared));
        Request::per_domain(region("r")).unwrap().with_role(master).unwrap();
    }

    #[test]
    fn a_name_leaves_room_for_the_uuid() {
        let name = "a".repeat(219);
        assert_eq!(Request::per_domain(region(&name)), Err(RequestError::NoRoomForUuid(name)));
        Request::per_domain(region(&"a".repeat(218))).unwrap();
    }

    #[test]
    fn uuids_are_written_as_libvirt_writes_them() {
        let expected = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
        for text in [expected, "C7A5FDBDEDAF9455926AD65C16DB1809"] {
            assert_eq!(canonical(text).as_deref(), Some(expected));
        }
        for text in ["", "c7a5", "g7a5fdbd-edaf-9455-926a-d65c16db1809", "../../etc/passwd"] {
            assert_eq!(canonical(text), None);
        }
    }
}
