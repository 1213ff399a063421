//! `ivring ls`.

mod rates;
mod round;
mod screen;
mod stop;
mod watch;

use std::time::Duration;

use ivring_proto::console::{Endpoint, Failure, Output, shown};
use ivring_proto::control::Request;
use ivring_proto::link::Losses;

use super::amount::{bytes, time};
use super::last_time::{last_fault, last_refusal};
use super::options::Ls;
use super::table::{Align, table};
use crate::listing::{Guest, Guests, State};

const COLUMNS: [(&str, Align); 10] = [
    ("NAME", Align::Left),
    ("GUEST", Align::Left),
    ("PORT", Align::Left),
    ("REGION", Align::Left),
    ("CHANNEL", Align::Right),
    ("STATE", Align::Left),
    ("RECEIVED", Align::Right),
    ("", Align::Right),
    ("SENT", Align::Right),
    ("", Align::Right),
];

/// What went wrong, by the name of its column: shown where it happened to anybody at all.
type Trouble = (&'static str, fn(&Guest) -> u64, fn(u64) -> String);

const TROUBLES: [Trouble; 6] = [
    ("FAULTS", |guest| guest.faults, count),
    ("FULL", |guest| guest.counters.full, count),
    (
        "DROPPED",
        |Guest { counters, losses, .. }| {
            let Losses { late, stray_fragments, unwanted, answers_lost, .. } = *losses;
            sum(&[counters.pings_dropped, counters.unknown, late, stray_fragments, unwanted, answers_lost])
        },
        count,
    ),
    ("FAILED", |Guest { losses, .. }| sum(&[losses.interrupted, losses.declined, losses.unanswered]), count),
    ("AGAIN", |guest| guest.counters.redelivered, count),
    ("HELD", |guest| guest.held_bytes as u64, bytes),
];

fn count(number: u64) -> String {
    number.to_string()
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().copied().fold(0, u64::saturating_add)
}

/// Lists the guests of the running daemon, once or over and over.
pub(super) fn list(ls: &Ls, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    if let Some(interval) = ls.watch {
        return watch::watch(interval, ls.region.name.as_deref(), daemon, out);
    }
    let (response, _) = daemon.connect()?.call(&Request::List, &[])?;
    let mut list: Guests = daemon.payload(&response)?;
    let wanted = |region: &String| ls.region.name.as_ref().is_none_or(|name| name == region);
    list.guests.retain(|guest| wanted(&guest.region));
    list.refused.retain(|refused| wanted(&refused.region));
    if out.json {
        return out.json(&list);
    }
    if list.guests.is_empty() {
        tracing::info!("no guest has attached yet");
    }
    let troubles = troubles(list.guests.iter());
    let columns: Vec<_> = COLUMNS.into_iter().chain(trouble_columns(&troubles)).collect();
    let rows: Vec<_> = list.guests.iter().map(|guest| row(guest, &troubles)).collect();
    for line in table(&columns, &rows) {
        out.line(line)?;
    }
    for fault in list.guests.iter().filter_map(last_fault) {
        out.line(fault)?;
    }
    for refused in &list.refused {
        out.line(last_refusal(refused))?;
    }
    Ok(())
}

/// The troubles that any of these guests had.
fn troubles<'a>(guests: impl Iterator<Item = &'a Guest> + Clone) -> Vec<Trouble> {
    TROUBLES.into_iter().filter(|(_, of, _)| guests.clone().any(|guest| of(guest) > 0)).collect()
}

fn trouble_columns(troubles: &[Trouble]) -> impl Iterator<Item = (&'static str, Align)> {
    troubles.iter().map(|(name, ..)| (*name, Align::Right))
}

fn trouble_cells(guest: &Guest, troubles: &[Trouble]) -> impl Iterator<Item = String> {
    troubles.iter().map(|(_, of, shown)| shown(of(guest)))
}

fn row(guest: &Guest, troubles: &[Trouble]) -> Vec<String> {
    let counters = &guest.counters;
    let cells = [
        shown(&guest.who.name),
        guest.who.uuid.clone(),
        shown(&guest.who.port),
        shown(&guest.region),
        guest.channel.to_string(),
        state(guest),
        counters.received.to_string(),
        bytes(counters.received_bytes),
        counters.sent.to_string(),
        bytes(counters.sent_bytes),
    ];
    cells.into_iter().chain(trouble_cells(guest, troubles)).collect()
}

/// The state of a guest's session and, where there is more to say, since when or why.
fn state(guest: &Guest) -> String {
    match (guest.state, &guest.reason) {
        (State::Stale, _) => format!("silent for {}", time(Duration::from_millis(guest.silent_ms))),
        (State::Closed, Some(reason)) => format!("closed: {}", shown(reason)),
        (state, _) => state.name().to_owned(),
    }
}
