//! `ivring ls`.

mod memory;
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
type Trouble = (&'static str, fn(&Guest) -> u64);

const TROUBLES: [Trouble; 4] = [
    ("FULL", |guest| guest.counters.full),
    ("DROPPED", |Guest { counters, losses, .. }| {
        let Losses { late, stray_fragments, unwanted, .. } = *losses;
        sum(&[counters.pings_dropped, counters.unknown, late, stray_fragments, unwanted])
    }),
    ("FAILED", |Guest { losses, .. }| sum(&[losses.interrupted, losses.declined, losses.unanswered])),
    ("AGAIN", |guest| guest.counters.redelivered),
];

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
    list.guests.retain(|guest| ls.region.name.as_ref().is_none_or(|region| *region == guest.region));
    if out.json {
        return out.json(&list);
    }
    if list.guests.is_empty() {
        tracing::info!("no guest has attached yet");
    }
    let troubles = troubles(list.guests.iter());
    let memory = memory::column(&list.guests);
    let columns: Vec<_> = COLUMNS.into_iter().chain(memory).chain(trouble_columns(&troubles)).collect();
    let rows: Vec<_> = list.guests.iter().map(|guest| row(guest, memory.is_some(), &troubles)).collect();
    for line in table(&columns, &rows) {
        out.line(line)?;
    }
    for remedy in memory::remedies(&list.guests) {
        tracing::info!("{remedy}");
    }
    Ok(())
}

/// The troubles that any of these guests had.
fn troubles<'a>(guests: impl Iterator<Item = &'a Guest> + Clone) -> Vec<Trouble> {
    TROUBLES.into_iter().filter(|(_, count)| guests.clone().any(|guest| count(guest) > 0)).collect()
}

fn trouble_columns(troubles: &[Trouble]) -> impl Iterator<Item = (&'static str, Align)> {
    troubles.iter().map(|(name, _)| (*name, Align::Right))
}

fn trouble_cells(guest: &Guest, troubles: &[Trouble]) -> impl Iterator<Item = String> {
    troubles.iter().map(|(_, count)| count(guest).to_string())
}

fn row(guest: &Guest, with_memory: bool, troubles: &[Trouble]) -> Vec<String> {
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
    let memory = with_memory.then(|| memory::cell(guest));
    cells.into_iter().chain(memory).chain(trouble_cells(guest, troubles)).collect()
}

/// The state of a guest's session and, where there is more to say, since when or why.
fn state(guest: &Guest) -> String {
    match (guest.state, &guest.reason) {
        (State::Stale, _) => format!("silent for {}", time(Duration::from_millis(guest.silent_ms))),
        (State::Closed, Some(reason)) => format!("closed: {}", shown(reason)),
        (state, _) => state.name().to_owned(),
    }
}
