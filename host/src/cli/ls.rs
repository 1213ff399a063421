//! `ivring ls`.

mod memory;
mod rates;
mod round;
mod screen;
mod stop;
mod watch;

use std::time::Duration;

use ivring_proto::console::{Endpoint, Failure, Output, shown};
use ivring_proto::control::{Code, Request};
use ivring_proto::link::Losses;

use super::last_time::{last_fault, last_refusal};
use super::options::Ls;
use super::table::{Align, table};
use crate::listing::{Guest, Guests, NotServed, State};
use ivring_proto::console::amount::{bytes, time};

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
    let asked = |name: &String| ls.region.name.as_ref().is_none_or(|region| region == name);
    list.guests.retain(|guest| asked(&guest.region));
    list.not_served.retain(|lost| asked(&lost.region));
    list.refused.retain(|refused| asked(&refused.region));
    if out.json {
        out.json(&list)?;
    } else {
        print(&list, out)?;
    }
    // Asked for by its name, a region that is not served is a negative answer; else it is one line of the list.
    let asked_and_lost = ls.region.name.is_some() && !list.not_served.is_empty();
    if asked_and_lost { Err(Failure::Silent(Code::Negative)) } else { Ok(()) }
}

fn print(list: &Guests, out: &mut Output) -> Result<(), Failure> {
    if list.guests.is_empty() {
        tracing::info!("no guest has attached yet");
    }
    let troubles = troubles(list.guests.iter());
    let memory = memory::column(&list.guests);
    let columns: Vec<_> = COLUMNS.into_iter().chain(memory).chain(trouble_columns(&troubles)).collect();
    let rows: Vec<_> = list.guests.iter().map(|guest| row(guest, memory.is_some(), &troubles)).collect();
    let lines = table(&columns, &rows);
    for line in lines.into_iter().chain(not_served(&list.not_served)) {
        out.line(line)?;
    }
    for fault in list.guests.iter().filter_map(last_fault) {
        out.line(fault)?;
    }
    for refused in &list.refused {
        out.line(last_refusal(refused))?;
    }
    for remedy in memory::remedies(&list.guests) {
        tracing::info!("{remedy}");
    }
    Ok(())
}

/// A line for each region that is not served.
fn not_served(regions: &[NotServed]) -> impl Iterator<Item = String> {
    regions
        .iter()
        .map(|lost| format!("region {} is not served: {}", shown(&lost.region), shown(&lost.reason)))
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
