//! `ivring ls`.

use std::time::Duration;

use ivring_proto::console::{Endpoint, Failure, Output, shown};
use ivring_proto::control::Request;

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

/// Lists the guests of the running daemon.
pub(super) fn list(ls: &Ls, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let (response, _) = daemon.connect()?.call(&Request::List, &[])?;
    let mut list: Guests = daemon.payload(&response)?;
    list.guests.retain(|guest| ls.region.name.as_ref().is_none_or(|region| *region == guest.region));
    if out.json {
        return out.json(&list);
    }
    if list.guests.is_empty() {
        tracing::info!("no guest has attached yet");
    }
    for line in table(&COLUMNS, &list.guests.iter().map(row).collect::<Vec<_>>()) {
        out.line(line)?;
    }
    Ok(())
}

fn row(guest: &Guest) -> Vec<String> {
    let state = match (guest.state, &guest.reason) {
        (State::Stale, _) => format!("silent for {}", time(Duration::from_millis(guest.silent_ms))),
        (State::Closed, Some(reason)) => format!("closed: {reason}"),
        (state, _) => state.name().to_owned(),
    };
    let counters = &guest.counters;
    vec![
        shown(&guest.who.name),
        guest.who.uuid.clone(),
        guest.who.port.clone(),
        guest.region.clone(),
        guest.channel.to_string(),
        state,
        counters.received.to_string(),
        bytes(counters.received_bytes),
        counters.sent.to_string(),
        bytes(counters.sent_bytes),
    ]
}
