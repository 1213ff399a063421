//! What guests do: shown to the desk, and logged.

use std::ops::ControlFlow;
use std::time::Instant;

use ivring_proto::link::Arrival;
use ivring_proto::session::{Identity, printable};

use super::regions::Served;
use super::serve::Daemon;
use crate::Event;
use crate::desk::Kind;
use crate::region_file::RegionLost;

/// Writes a line about a guest, if that guest has not filled the log already.
macro_rules! log {
    ($level:ident, $daemon:expr, $guest:expr, $kind:expr, $($text:tt)+) => {
        if let Some(suppressed) = $daemon.limit.allows($guest, $kind, Instant::now()) {
            tracing::$level!("{}{suppressed}", format_args!($($text)+));
        }
    };
}

impl Daemon {
    /// Takes what guests of the region at `index` have sent, and says whether there was anything.
    pub(super) fn receive(&mut self, index: usize, most: usize) -> bool {
        let mut taken = 0;
        while taken < most {
            let Daemon { regions, desk, .. } = self;
            let Served { id, host, .. } = &mut regions.all_mut()[index];
            let region = *id;
            let mut other = None;
            host.want_large_messages(desk.has_listeners());
            taken += host.receive(most - taken, |guest, arrival| match arrival {
                Arrival::Message { id, topic, payload, redelivered } => {
                    desk.take_message(region, guest, id, &topic, &payload, redelivered);
                    ControlFlow::Continue(())
                }
                arrival => {
                    other = Some((*guest, arrival.into_owned()));
                    ControlFlow::Break(())
                }
            });
            // Before the next record is looked for, which says that this one is done with: a daemon that is killed in
            // between gets the request again.
            match other {
                Some((guest, arrival)) => desk.take(regions, region, &guest, arrival),
                None => break,
            }
        }
        self.regions.all_mut()[index].host.has_moved() || taken > 0
    }

    /// Deals with one event of the region at `index`; returns why that region is to be closed, if it is.
    pub(super) fn take_event(&mut self, index: usize, event: Event) -> Option<RegionLost> {
        self.log(index, &event);
        self.desk.take_event(self.regions.all()[index].id, &event);
        match event {
            Event::Lost(lost) => Some(lost),
            _ => None,
        }
    }

    fn log(&mut self, index: usize, event: &Event) {
        let region = &self.regions.all()[index];
        let desk = &self.desk;
        let name = |guest: &Identity| shown(guest, &desk.who(region.id, guest).name);
        match event {
            Event::Attached { guest, name, channel, resumed } => {
                let how = if *resumed { "again, both rings go on" } else { "anew" };
                let name = shown(guest, name);
                log!(info, self, Some(guest), Kind::Attached, "{name} attached to channel {channel}, {how}");
            }
            Event::Detached { guest, name, reason } => {
                log!(info, self, Some(guest), Kind::Detached, "{} detached: {reason}", shown(guest, name));
            }
            Event::Stale { guest } => {
                log!(warn, self, Some(guest), Kind::Stale, "{} is silent: paused, or gone", name(guest));
            }
            Event::Back { guest } => {
                log!(info, self, Some(guest), Kind::Back, "{} is back", name(guest));
            }
            Event::Undelivered { guest, what } => {
                log!(
                    warn,
                    self,
                    Some(guest),
                    Kind::Undelivered,
                    "{} never received {} messages, the first is {}",
                    name(guest),
                    what.count,
                    what.first
                );
            }
            Event::Refused { guest, name, refusal } => {
                log!(warn, self, Some(guest), Kind::Refused, "{} is refused: {refusal}", shown(guest, name));
            }
            Event::Fault { guest, error } => {
                log!(error, self, Some(guest), Kind::Fault, "{} broke its ring: {error}", name(guest));
            }
            Event::SecondWriter(second) => {
                let region = region.host.path().display();
                log!(
                    error,
                    self,
                    None,
                    Kind::SecondWriter,
                    "{region}: {second}: a snapshot or a copy was put back over the region, or another program serves it; \
                     every session is over, and nobody is served there until it has been left alone for 2.5 s"
                );
            }
            Event::SuperblockMended(wrong) => {
                let region = region.host.path().display();
                log!(error, self, None, Kind::SuperblockMended, "{region}: {wrong}; put right");
            }
            Event::Regained => {
                let region = region.host.path().display();
                log!(
                    warn,
                    self,
                    None,
                    Kind::SecondWriter,
                    "{region}: nobody else writes there any more: its guests join anew"
                );
            }
            _ => {}
        }
    }
}

/// A guest in a line of the log.
fn shown(guest: &Identity, name: &str) -> String {
    if name.is_empty() { guest.to_string() } else { format!("{} ({guest})", printable(name)) }
}
