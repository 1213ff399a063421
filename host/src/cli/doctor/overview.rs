//! All guests and domains, a line each.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ivring_proto::check::Line;
use ivring_proto::console::amount::time;
use ivring_proto::session::{Port, Uuid};

use super::daemon::Daemon;
use super::domain::word;
use super::region::Place;
use super::vm_config::{Kind, Row, Silence, status};
use crate::listing::{Guest, State};
use crate::mappers::vm_processes;
use crate::region_name::region_owner;

/// How `ivring-vm-config` calls a region.
pub(super) fn kind_of(place: &Place) -> Kind {
    let owner = region_owner(&place.path);
    let cut = owner.and_then(|_| place.name.len().checked_sub(37)).and_then(|at| place.name.get(..at));
    let name = cut.unwrap_or(&place.name).to_owned();
    let size = place.path.metadata().ok().map(|file| file.len());
    let size = size.filter(|size| size.is_power_of_two() && *size >= 1 << 20);
    Kind { name, per_domain: owner.is_some(), size }
}

/// The kinds of regions among these, each once. Regions of one VM each may differ in size: then none is asked for.
pub(super) fn kinds(regions: &[Place]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in regions.iter().map(kind_of) {
        match kinds.iter_mut().find(|known| (&known.name, known.per_domain) == (&kind.name, kind.per_domain))
        {
            Some(known) if known.size != kind.size => known.size = None,
            Some(_) => {}
            None => kinds.push(kind),
        }
    }
    kinds
}

/// The lines: the check `guest` for each that has a channel, and `domain` for each domain that has none.
pub(super) fn lines(regions: &[Place], daemon: Option<&Daemon>) -> Vec<Line> {
    let names: Vec<&str> = regions.iter().map(|place| &*place.name).collect();
    let guests = daemon.map(Daemon::guests).unwrap_or_default();
    let guests: Vec<&Guest> = guests.iter().filter(|guest| names.contains(&&*guest.region)).collect();
    let mut lines: Vec<Line> = guests.iter().map(|guest| of_guest(guest)).collect();
    match domains(regions) {
        Err(silence) => lines.push(silence.line("domain")),
        Ok(domains) => {
            let has_channel = |row: &Row| guests.iter().any(|guest| guest.who.uuid == row.uuid);
            let missing = domains.into_iter().filter(|(row, _)| !has_channel(row));
            lines.extend(missing.map(|(row, kind)| of_domain(&row, &kind, daemon.is_some())));
        }
    }
    lines
}

/// How each domain stands to the region that suits it best.
fn domains(regions: &[Place]) -> Result<Vec<(Row, Kind)>, Silence> {
    let rank =
        |row: &Row| ["ok", "pending", "differs", "missing"].iter().position(|state| *state == row.state);
    let mut best: BTreeMap<String, (Row, Kind)> = BTreeMap::new();
    for kind in kinds(regions) {
        for row in status(&kind, None)? {
            let better = best.get(&row.uuid).is_none_or(|(known, _)| {
                rank(&row).unwrap_or(usize::MAX) < rank(known).unwrap_or(usize::MAX)
            });
            if better {
                best.insert(row.uuid.clone(), (row, kind.clone()));
            }
        }
    }
    let mut domains: Vec<_> = best.into_values().collect();
    domains.sort_by(|(one, _), (other, _)| one.domain.cmp(&other.domain));
    Ok(domains)
}

/// The UUID of a guest, with the port of a program other than the agent.
pub(super) fn target(guest: &Guest) -> String {
    let (uuid, port) = (&guest.who.uuid, &guest.who.port);
    if port == Port::agent().as_str() { uuid.clone() } else { format!("{uuid}:{port}") }
}

fn of_guest(guest: &Guest) -> Line {
    const CHECK: &str = "guest";
    let target = target(guest);
    let who = format!("{} ({target}) in {}", guest.who.name, guest.region);
    let next = format!("ivring doctor {target}");
    match guest.state {
        State::Attached => {
            let faults = match guest.faults {
                0 => String::new(),
                faults => format!("; {faults} faults before"),
            };
            Line::ok(CHECK, format!("{who}: attached, channel {}{faults}", guest.channel))
        }
        State::Joining => {
            Line::pending(CHECK, format!("{who}: a channel is offered, and not taken yet"), next)
        }
        State::Stale => {
            let silent = time(Duration::from_millis(guest.silent_ms));
            Line::failed(CHECK, format!("{who}: silent for {silent}"), next)
        }
        State::Closed => {
            let reason = guest.reason.as_deref().unwrap_or("no reason was given");
            Line::failed(CHECK, format!("{who}: closed: {reason}"), next)
        }
    }
}

fn of_domain(row: &Row, kind: &Kind, daemon_answers: bool) -> Line {
    const CHECK: &str = "domain";
    let (domain, word) = (&row.domain, word(row));
    let doctor = format!("ivring doctor {word}");
    let runs = row.uuid.parse::<Uuid>().is_ok_and(|uuid| !vm_processes(Path::new("/proc"), uuid).is_empty());
    match (&*row.state, runs) {
        ("ok", true) if daemon_answers => {
            let says = format!("{domain} runs with the device, and its agent has no channel");
            Line::failed(CHECK, says, format!("{doctor}; in the guest: ivring-agent doctor"))
        }
        ("ok", true) => Line::because(CHECK, "daemon"),
        ("ok", false) => Line::ok(CHECK, format!("{domain} has the device, and is off")),
        ("pending", _) => {
            Line::pending(CHECK, format!("{domain} has the device, and does not run with it yet"), doctor)
        }
        ("missing", _) => {
            let next = format!("ivring-vm-config apply {word}{}", kind.typed());
            Line::pending(CHECK, format!("{domain} has no device for {}", kind.name), next)
        }
        ("refused" | "excluded", _) => {
            Line::pending(CHECK, format!("{domain} cannot have it: {}", row.reason()), doctor)
        }
        (state, _) => Line::failed(CHECK, format!("{domain} {state}: {}", row.reason()), doctor),
    }
}
