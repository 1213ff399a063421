//! The guest that is asked for: libvirt's domain and the daemon's guest, joined by their UUID.

use std::path::Path;

use ivring_proto::check::Line;
use ivring_proto::console::Failure;
use ivring_proto::control::{Code, GuestName};
use ivring_proto::session::{Port, Uuid};

use super::daemon::Daemon;
use super::region::Place;
use super::vm_config::{Kind, Row, Silence, status};
use super::{USUAL_REGION, overview};
use crate::listing::Guest;
use crate::region_name::region_owner;

const CHECK: &str = "guest";

/// The guest.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) uuid: Uuid,
    /// Its domain, if libvirt has one.
    pub(super) row: Result<Option<Row>, Silence>,
    /// Its channel, if it has one.
    pub(super) guest: Option<Guest>,
    /// The region where it is, or should be.
    pub(super) place: Place,
}

impl Subject {
    /// The region as `ivring-vm-config` calls it.
    pub(super) fn kind(&self) -> Kind {
        overview::kind_of(&self.place)
    }

    /// The check `guest`; guests with these UUIDs are called as it was asked for.
    fn line(&self, called_so: &[&str]) -> Line {
        let mut says = format!("VM {}", self.uuid);
        if let Ok(Some(row)) = &self.row {
            says += &format!(", domain {}", row.domain);
        }
        if let Some(guest) = &self.guest {
            says += &format!(", calls itself {}", guest.who.name);
        }
        let own = self.uuid.to_string();
        let others: Vec<&str> = called_so.iter().copied().filter(|other| *other != own).collect();
        if others.is_empty() {
            return Line::ok(CHECK, says);
        }
        let says = format!("{says}; other guests call themselves so, too: {}", others.join(", "));
        Line::pending(CHECK, says, "ivring ls; a guest's own name proves nothing")
    }
}

/// Finds the guest with that name: of a domain, else the one that a guest gave itself, or a UUID or its beginning. The line is
/// the check `guest`.
///
/// Names of domains come first: what guests call themselves proves nothing.
///
/// # Errors
///
/// When the text names no guest at all.
pub(super) fn find(
    text: &str,
    asked: Option<Place>,
    daemon: Option<&Daemon>,
) -> Result<Result<(Line, Subject), Line>, Failure> {
    let name = GuestName::parse(text).map_err(|error| Failure::new(Code::BadInput, error.to_string()))?;
    let of_all = daemon.and_then(Daemon::region_of_all);
    let shared = match asked.clone().or(of_all) {
        Some(place) => place,
        None => Place::named(USUAL_REGION)?,
    };
    let (vm, _) = text.split_once(':').unwrap_or((text, ""));
    let first = overview::kind_of(&shared);
    let row = status(&first, Some(vm)).map(|rows| rows.into_iter().next());
    let guests = daemon.map(Daemon::guests).unwrap_or_default();
    let mut called_so: Vec<&str> =
        guests.iter().filter(|guest| name.matches(&guest.who)).map(|guest| &*guest.who.uuid).collect();
    called_so.sort_unstable();
    called_so.dedup();
    let uuid = match who(vm, &row, &called_so) {
        Ok(uuid) => uuid,
        Err(line) => return Ok(Err(line)),
    };

    let agent = Port::agent();
    let port = name.port().unwrap_or(agent.as_str());
    let here = |guest: &&Guest| {
        guest.who.uuid == uuid.to_string()
            && guest.who.port == port
            && asked.as_ref().is_none_or(|place| place.name == guest.region)
    };
    let guest = guests.iter().find(here).cloned();
    let place = place_of(uuid, guest.as_ref(), shared, daemon);
    let kind = overview::kind_of(&place);
    // What was asked first was by another name, or of another region.
    let row = match row {
        Ok(Some(row)) if kind == first => Ok(Some(row)),
        Ok(_) => status(&kind, Some(&uuid.to_string())).map(|rows| rows.into_iter().next()),
        Err(silence) => Err(silence),
    };
    let subject = Subject { uuid, row, guest, place };
    Ok(Ok((subject.line(&called_so), subject)))
}

/// Whose name it is: the domain's, or that of the guests with these UUIDs that are called so.
fn who(vm: &str, row: &Result<Option<Row>, Silence>, called_so: &[&str]) -> Result<Uuid, Line> {
    let domain = row.as_ref().ok().and_then(|row| row.as_ref()?.uuid.parse().ok());
    let uuid = match (domain, called_so) {
        (Some(uuid), _) => Some(uuid),
        (None, [uuid]) => uuid.parse().ok(),
        (None, []) => vm.parse().ok(),
        (None, several) => {
            let says = format!("several guests are called so: {}", several.join(", "));
            return Err(Line::failed(CHECK, says, "ivring doctor UUID"));
        }
    };
    uuid.ok_or_else(|| {
        let says = match row {
            Ok(_) => format!("neither libvirt nor ivringd knows {vm}"),
            Err(_) => format!("ivringd does not know {vm}, and libvirt was not asked"),
        };
        Line::failed(CHECK, says, "ivring ls, virsh list --all")
    })
}

/// The region of the guest: where it is, else the one that is its own, else the one for all.
fn place_of(uuid: Uuid, guest: Option<&Guest>, shared: Place, daemon: Option<&Daemon>) -> Place {
    let regions = daemon.map(Daemon::regions).unwrap_or_default();
    let of_guest = guest.and_then(|guest| regions.iter().find(|place| place.name == guest.region));
    let own = || regions.iter().find(|place| region_owner(&place.path) == Some(uuid));
    if let Some(place) = of_guest.or_else(own) {
        return place.clone();
    }
    let own = format!("{}-{uuid}", shared.name);
    let path = shared.path.with_file_name(&own);
    if Path::new(&path).exists() { Place { name: own, path } } else { shared }
}
