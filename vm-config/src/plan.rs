//! What is to be done with a domain, decided before anything is.

use std::fmt;

use crate::request::OnConflict;
use crate::splice::{self, Edit};
use crate::{
    Device, Domain, Existing, Model, PciAddress, Position, Reason, Refused, Request, Role, Slot, placement,
    support,
};

/// What is to be done with a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is as it should be, or is left so on request.
    Nothing,
    /// The device is added.
    Insert,
    /// The device takes the place of one that differs, or of several.
    Replace,
    /// The device is taken out.
    Remove,
}

/// What a person should know about a domain beside the action. None of it stops anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The XML is that of a running domain.
    Live(Position),
    /// The domain has other ivshmem devices.
    OtherIvshmem,
    /// The memory of the domain is kept from the host, the region is not.
    Protected,
    /// The legacy device exists in old QEMU only.
    Legacy,
    /// A device that differs was kept.
    Kept,
}

impl Notice {
    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Live(_) => "live",
            Self::OtherIvshmem => "other-ivshmem",
            Self::Protected => "protected",
            Self::Legacy => "legacy",
            Self::Kept => "kept",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live(_) => {
                "this is the XML of a running domain, with what libvirt chose for this run; do not define it, take \
                 `virsh dumpxml --inactive --security-info DOMAIN` instead"
            }
            Self::OtherIvshmem => {
                "the domain has another ivshmem device; a program in the guest that takes the first one it finds \
                 (Looking Glass: os:shmDevice) must be told which"
            }
            Self::Protected => {
                "the domain has <launchSecurity>: what goes through the region is not encrypted, the host reads it"
            }
            Self::Legacy => "the legacy device needs a QEMU before 4.0",
            Self::Kept => "a device for this region that differs from the one asked for was kept",
        })
    }
}

/// What is to be done with one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    action: Action,
    device: Device,
    address: Option<PciAddress>,
    notices: Vec<Notice>,
    edits: Vec<Edit>,
}

impl Plan {
    /// What gives `domain` the device of `request`.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every reason there is.
    pub fn install(domain: &Domain<'_>, request: &Request) -> Result<Self, Refused> {
        support::check(domain)?;
        let device = request.device_for(domain)?;
        let mut plan = Self::nothing(domain, device);
        plan.notices.extend(notices(domain, &plan.device));
        let name = plan.device.region.name();
        let own: Vec<&Existing> = domain.existing().iter().filter(|shmem| shmem.name() == name).collect();
        if let Some(conflict) = conflict(domain, request, &plan.device, &own) {
            return match request.on_conflict {
                OnConflict::Refuse => Err(conflict),
                OnConflict::Keep => Ok(plan.with_notice(Notice::Kept)),
                OnConflict::Replace if domain.command_line().maps(name).is_some() => Err(conflict),
                OnConflict::Replace => plan.replace(domain, request, &own),
            };
        }
        if let Some(own) = own.first() {
            plan.address = own.address();
            return Ok(plan);
        }
        check_alias(domain, &plan.device, &[])?;
        plan.address = placement::place(domain, request.slot, name)?;
        plan.edits = vec![splice::insertion(domain, &plan.device, plan.address)];
        plan.action = Action::Insert;
        Ok(plan)
    }

    /// What takes the device of `request` out of `domain`: every device for its region, of whatever size.
    ///
    /// # Errors
    ///
    /// [`Refused`] if such a device has a server or is on QEMU's command line, or the region has no name.
    pub fn remove(domain: &Domain<'_>, request: &Request) -> Result<Self, Refused> {
        let device = request.device_for(domain)?;
        let mut plan = Self::nothing(domain, device);
        let name = plan.device.region.name();
        let own: Vec<&Existing> = domain.existing().iter().filter(|shmem| shmem.name() == name).collect();
        let other_kind = own.iter().find(|shmem| shmem.has_server());
        let conflict = match (domain.command_line().maps(name), other_kind) {
            (Some(start), _) => Some(on_command_line(domain, name, start)),
            (None, Some(shmem)) => {
                Some(differs(domain, shmem, &plan.device, &shmem.differences(&plan.device)))
            }
            (None, None) => None,
        };
        if let Some(conflict) = conflict {
            match request.on_conflict {
                OnConflict::Keep => return Ok(plan.with_notice(Notice::Kept)),
                OnConflict::Replace if domain.command_line().maps(name).is_none() => {}
                OnConflict::Refuse | OnConflict::Replace => return Err(conflict),
            }
        }
        if !own.is_empty() {
            plan.edits = splice::removal(domain, &own);
            plan.action = Action::Remove;
        }
        Ok(plan)
    }

    fn nothing(domain: &Domain<'_>, device: Device) -> Self {
        let mut notices = Vec::new();
        if let Some(at) = domain.live() {
            notices.push(Notice::Live(at));
        }
        Self { action: Action::Nothing, device, address: None, notices, edits: Vec::new() }
    }

    fn with_notice(mut self, notice: Notice) -> Self {
        self.notices.push(notice);
        self
    }

    /// One device in the place of the first of `own`, at its address if it has one, and none of the others.
    fn replace(mut self, domain: &Domain<'_>, request: &Request, own: &[&Existing]) -> Result<Self, Refused> {
        let Some((first, others)) = own.split_first() else {
            return Ok(self);
        };
        check_alias(domain, &self.device, own)?;
        let name = self.device.region.name();
        self.address = match (request.slot, first.address()) {
            (Slot::Prefer(_) | Slot::Auto, Some(address)) => Some(address),
            (slot, _) => placement::place(domain, slot, name)?,
        };
        self.edits = vec![splice::replacement(first, &self.device, self.address)];
        self.edits.extend(others.iter().map(|other| splice::deletion(domain.text(), other.range())));
        self.action = Action::Replace;
        Ok(self)
    }

    /// What is done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// The device it is about.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The address the device has or gets; `None` if libvirt chooses it, or if it goes.
    #[must_use]
    pub fn address(&self) -> Option<PciAddress> {
        self.address
    }

    /// Whether libvirt refuses to save and migrate the domain once the plan is carried out: the region, which others use,
    /// cannot go along.
    #[must_use]
    pub fn forbids_saving(&self) -> bool {
        matches!(self.action, Action::Insert | Action::Replace) && self.device.role != Some(Role::Master)
    }

    /// What a person should know beside it.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The text of `domain`, which must be the one the plan was made for, with the plan carried out.
    #[must_use]
    pub fn carry_out(&self, domain: &Domain<'_>) -> String {
        splice::splice(domain.text(), &self.edits)
    }
}

fn notices(domain: &Domain<'_>, device: &Device) -> Vec<Notice> {
    [
        (domain.has_other_ivshmem(device.region.name()), Notice::OtherIvshmem),
        (domain.protected(), Notice::Protected),
        (device.model == Model::Legacy, Notice::Legacy),
    ]
    .into_iter()
    .filter_map(|(holds, notice)| holds.then_some(notice))
    .collect()
}

/// What is wrong with the devices that the domain has for the region already, `own` and those on QEMU's command line.
fn conflict(domain: &Domain<'_>, request: &Request, device: &Device, own: &[&Existing]) -> Option<Refused> {
    let name = device.region.name();
    if let Some(start) = domain.command_line().maps(name) {
        return Some(on_command_line(domain, name, start));
    }
    let (first, others) = own.split_first()?;
    if let Some(second) = others.first() {
        let first = domain.position(first.range().start);
        let reason = Reason::Duplicate { name: name.to_owned(), count: own.len(), first };
        return Some(reason.at(domain.position(second.range().start)));
    }
    let mut differences = first.differences(device);
    if let Slot::Exact(wanted) = request.slot
        && first.address() != Some(wanted)
    {
        let its = first.address().map_or("without an address".to_owned(), |address| format!("at {address}"));
        differences.push(format!("it is {its}, not at {wanted}"));
    }
    (!differences.is_empty()).then(|| differs(domain, first, device, &differences))
}

fn differs(domain: &Domain<'_>, existing: &Existing, device: &Device, differences: &[String]) -> Refused {
    let name = device.region.name().to_owned();
    let reason = Reason::Differs { name, differences: differences.join(", ") };
    reason.at(domain.position(existing.range().start))
}

fn on_command_line(domain: &Domain<'_>, name: &str, start: usize) -> Refused {
    Reason::OnCommandLine { name: name.to_owned() }.at(domain.position(start))
}

/// libvirt takes an alias once. The devices `own` make way for the new one.
fn check_alias(domain: &Domain<'_>, device: &Device, own: &[&Existing]) -> Result<(), Refused> {
    let alias = device.alias.as_str();
    let taken = domain
        .aliases()
        .iter()
        .find(|(taken, range)| taken == alias && own.iter().all(|shmem| shmem.range() != *range));
    match taken {
        Some((_, range)) => {
            Err(Reason::AliasTaken { alias: alias.to_owned() }.at(domain.position(range.start)))
        }
        None => Ok(()),
    }
}
