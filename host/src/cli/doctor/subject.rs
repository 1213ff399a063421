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
}

/// Finds the guest with that name: of a domain, else the one that a guest gave itself, or a UUID or its beginning. The line is
/// the check `guest`.
///
/// Names of domains come first: what guests call themselves proves nothing.
pub(super) fn find(
    text: &str,
    asked: Option<Place>,
    daemon: Option<&Daemon>,
) -> Result<Result<(Line, Subject), Line>, Failure> {
    const CHECK: &str = "guest";
    let name = GuestName::parse(text).map_err(|error| Failure::new(Code::BadInput, error.to_string()))?;
    let shared = match &asked {
        Some(place) => place.clone(),
        None => Place::named(USUAL_REGION)?,
    };
    let (vm, _) = text.split_once(':').unwrap_or((text, ""));
    let guests = daemon.map(Daemon::guests).unwrap_or_default();
    let matching: Vec<&Guest> = guests.iter().filter(|guest| name.matches(&guest.who)).collect();
    let mut row = status(&overview::kind_of(&shared), Some(vm)).map(|rows| rows.into_iter().next());
    let known = row.as_ref().ok().and_then(|row| row.as_ref()?.uuid.parse::<Uuid>().ok());
    let mut uuids: Vec<&str> = matching.iter().map(|guest| &*guest.who.uuid).collect();
    uuids.sort_unstable();
    uuids.dedup();
    let uuid = match (known, &uuids[..]) {
        (Some(uuid), _) => Some(uuid),
        (None, [uuid]) => uuid.parse().ok(),
        (None, []) => vm.parse().ok(),
        (None, several) => {
            let says = format!("several guests are called so: {}", several.join(", "));
            return Ok(Err(Line::failed(CHECK, says, "ivring doctor UUID")));
        }
    };
    let Some(uuid) = uuid else {
        let says = match &row {
            Ok(_) => format!("neither libvirt nor ivringd knows {vm}"),
            Err(_) => format!("ivringd does not know {vm}, and libvirt was not asked"),
        };
        return Ok(Err(Line::failed(CHECK, says, "ivring ls, virsh list --all")));
    };
    let port = name.port().unwrap_or(Port::agent().as_str()).to_owned();
    let here = |guest: &&Guest| {
        guest.who.uuid == uuid.to_string()
            && guest.who.port == port
            && asked.as_ref().is_none_or(|place| place.name == guest.region)
    };
    let guest = guests.iter().find(here).cloned();
    let place = place_of(uuid, guest.as_ref(), shared, daemon);
    let kind = overview::kind_of(&place);
    // The first answer was of the usual region, and by another name.
    if row.is_ok() && (known.is_none() || kind != overview::kind_of(&place_usual(&asked)?)) {
        row = status(&kind, Some(&uuid.to_string())).map(|rows| rows.into_iter().next());
    }
    let domain = match &row {
        Ok(Some(row)) => format!(", domain {}", row.domain),
        Ok(None) | Err(_) => String::new(),
    };
    let called =
        guest.as_ref().map_or_else(String::new, |guest| format!(", calls itself {}", guest.who.name));
    let says = format!("VM {uuid}{domain}{called}");
    let others: Vec<&str> = uuids.into_iter().filter(|other| *other != uuid.to_string()).collect();
    let line = if others.is_empty() {
        Line::ok(CHECK, says)
    } else {
        let says = format!("{says}; other guests call themselves so, too: {}", others.join(", "));
        Line::pending(CHECK, says, "ivring ls; a guest's own name proves nothing")
    };
    Ok(Ok((line, Subject { uuid, row, guest, place })))
}

fn place_usual(asked: &Option<Place>) -> Result<Place, Failure> {
    asked.clone().map_or_else(|| Place::named(USUAL_REGION), Ok)
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
