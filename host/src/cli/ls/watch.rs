//! `ivring ls --watch`.

use std::collections::HashSet;
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use ivring_proto::console::{Endpoint, Failure, Output, shown};
use ivring_proto::control::Code;

use super::round::{NoRound, Round, Rounds, Watched};
use super::screen::{Screen, cut};
use super::stop::Stop;
use super::{Trouble, not_served, state, trouble_cells, trouble_columns, troubles};
use crate::cli::table::{Align, table};
use crate::listing::State;
use ivring_proto::console::amount::{rate, rate_of_bytes, time};

/// How long guests are waited for at most, when rounds are far apart.
const FOR_PINGS: Duration = Duration::from_millis(500);
/// Digits of a UUID that are shown at least.
const UUID: usize = 8;
/// Characters of a name that are shown at least, however narrow the terminal is.
const NAME: usize = 8;

const COLUMNS: [(&str, Align); 10] = [
    ("NAME", Align::Left),
    ("GUEST", Align::Left),
    ("PORT", Align::Left),
    ("REGION", Align::Left),
    ("STATE", Align::Left),
    ("RTT", Align::Right),
    ("IN/S", Align::Right),
    ("", Align::Right),
    ("OUT/S", Align::Right),
    ("", Align::Right),
];

/// Shows the guests every `interval` until Ctrl-C: on a terminal in place, elsewhere one round below the other.
pub(super) fn watch(
    interval: Duration,
    region: Option<&str>,
    daemon: &Endpoint,
    out: &mut Output,
) -> Result<(), Failure> {
    let failed = |error| Failure::new(Code::Failure, format!("can't catch signals: {error}"));
    let stop = Stop::catch().map_err(failed)?;
    let mut rounds = Rounds::new(daemon, region, &stop);
    let mut view = if !out.json && stdout().is_terminal() {
        View::Screen(Screen::enter(out)?)
    } else {
        View::Stream { out, away: None }
    };
    loop {
        let began = Instant::now();
        match rounds.next(FOR_PINGS.min(interval / 2)) {
            Ok(round) => view.show(&round, interval)?,
            Err(NoRound::Away(error)) => view.away(&shown(&error.to_string()))?,
            Err(NoRound::Failed(failure)) => return Err(failure),
            Err(NoRound::Stopped) => return Ok(()),
        }
        if stop.wait(interval.saturating_sub(began.elapsed())) {
            return Ok(());
        }
    }
}

/// Where the rounds are shown.
enum View<'a> {
    /// A terminal.
    Screen(Screen<'a>),
    /// A pipe or a file: one round after the other.
    Stream {
        out: &'a mut Output,
        /// What was said of the daemon's absence.
        away: Option<String>,
    },
}

impl View<'_> {
    fn show(&mut self, round: &Round, interval: Duration) -> Result<(), Failure> {
        match self {
            View::Screen(screen) => {
                let attached =
                    round.guests.iter().filter(|watched| watched.guest.state == State::Attached).count();
                let count = round.guests.len();
                let every = interval.as_secs_f64();
                let head = format!("{count} guests, {attached} attached; every {every} s, Ctrl-C ends");
                let mut lines = vec![head, String::new()];
                lines.extend(fitting(&round.guests, Screen::size().0));
                lines.extend(not_served(&round.not_served));
                screen.draw(&lines)
            }
            View::Stream { out, away } => {
                if away.take().is_some() {
                    tracing::info!("ivringd is back");
                }
                if out.json {
                    return out.json(round);
                }
                let lines = lines(&round.guests, usize::MAX, digits(&round.guests));
                for line in lines.into_iter().chain(not_served(&round.not_served)) {
                    out.line(line)?;
                }
                out.line("")
            }
        }
    }

    fn away(&mut self, why: &str) -> Result<(), Failure> {
        match self {
            View::Screen(screen) => {
                screen.draw(&["ivringd is away; trying again, Ctrl-C ends".to_owned(), why.to_owned()])
            }
            View::Stream { away, .. } => {
                if away.as_deref() != Some(why) {
                    tracing::warn!("{why}; trying again");
                    *away = Some(why.to_owned());
                }
                Ok(())
            }
        }
    }
}

/// The table, with UUIDs and then names as long as so many columns leave room for.
fn fitting(guests: &[Watched], columns: usize) -> Vec<String> {
    let width = |line: &String| line.chars().count();
    let excess = |lines: &[String]| lines.iter().map(width).max().unwrap_or(0).saturating_sub(columns);
    let whole = lines(guests, usize::MAX, digits(guests));
    if excess(&whole) == 0 {
        return whole;
    }
    let short = lines(guests, usize::MAX, UUID);
    let longest = guests.iter().map(|watched| width(&shown(&watched.guest.who.name))).max().unwrap_or(0);
    lines(guests, longest.saturating_sub(excess(&short)).max(NAME), UUID)
}

/// The table, with names of at most so many characters and so many digits of the UUIDs.
fn lines(guests: &[Watched], name: usize, digits: usize) -> Vec<String> {
    let troubles = troubles(guests.iter().map(|watched| &watched.guest));
    let columns: Vec<_> = COLUMNS.into_iter().chain(trouble_columns(&troubles)).collect();
    let rows: Vec<_> = guests.iter().map(|watched| row(watched, name, digits, &troubles)).collect();
    table(&columns, &rows)
}

fn row(watched: &Watched, name: usize, digits: usize, troubles: &[Trouble]) -> Vec<String> {
    let Watched { guest, round_trip_ns, rates } = watched;
    let known = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let cells = [
        cut(&shown(&guest.who.name), name),
        shown(&guest.who.uuid.chars().take(digits).collect::<String>()),
        shown(&guest.who.port),
        shown(&guest.region),
        state(guest),
        known(round_trip_ns.map(|nanos| time(Duration::from_nanos(nanos)))),
        known(rates.map(|rates| rate(rates.received))),
        known(rates.map(|rates| rate_of_bytes(rates.received_bytes))),
        known(rates.map(|rates| rate(rates.sent))),
        known(rates.map(|rates| rate_of_bytes(rates.sent_bytes))),
    ];
    cells.into_iter().chain(trouble_cells(guest, troubles)).collect()
}

/// How much of the UUIDs tells them apart.
fn digits(guests: &[Watched]) -> usize {
    let distinct = |digits: usize| {
        let begins = guests.iter().map(|watched| watched.guest.who.uuid.get(..digits));
        begins.collect::<HashSet<_>>().len()
    };
    let whole = guests.iter().map(|watched| watched.guest.who.uuid.len()).max().unwrap_or(0);
    let all = guests.iter().map(|watched| &watched.guest.who.uuid).collect::<HashSet<_>>().len();
    (UUID..whole).find(|digits| distinct(*digits) == all).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ivring_proto::control::GuestIdentity;
    use ivring_proto::link::{Counters, Losses};

    use crate::cli::ls::rates::Rates;
    use crate::listing::Guest;

    fn watched(name: &str, uuid: &str, counters: Counters) -> Watched {
        let who = GuestIdentity { uuid: uuid.into(), port: "agent".into(), name: name.into() };
        let (region, reason) = ("r".into(), Some("a\x1b".into()));
        let state = if counters.full > 0 { State::Closed } else { State::Attached };
        let guest = Guest {
            who,
            region,
            channel: 0,
            state,
            reason,
            code: None,
            silent_ms: 0,
            memory: None,
            max_message: 0,
            max_record: 0,
            counters,
            losses: Losses::default(),
            held_bytes: 0,
            faults: 0,
            last_fault: None,
            last_fault_ms: None,
        };
        let rates = Rates { received: 2.0, received_bytes: 2048.0, sent: 0.5, sent_bytes: 0.0 };
        Watched { guest, round_trip_ns: Some(1_840), rates: Some(rates) }
    }

    #[test]
    fn columns_of_troubles_come_with_the_troubles() {
        let mut guests = vec![watched("web1", "6b7c1f2e-1", Counters::default())];
        let head = "NAME  GUEST     PORT   REGION  STATE        RTT  IN/S           OUT/S";
        let row = "web1  6b7c1f2e  agent  r       attached  1.8 us     2  2 KiB/s    0.5  0 B/s";
        assert_eq!(lines(&guests, usize::MAX, digits(&guests)), [head, row]);

        let counters = Counters { full: 7, pings_dropped: 1, unknown: 2, ..Counters::default() };
        guests.push(watched("\x1b", "6b7c1f2e-2", counters));
        guests[1].round_trip_ns = None;
        guests[1].rates = None;
        guests[1].guest.losses = Losses { late: 4, interrupted: 1, unanswered: 5, ..Losses::default() };
        let table = lines(&guests, usize::MAX, digits(&guests));
        assert_eq!(table.len(), 3);
        assert!(table[0].ends_with("  FULL  DROPPED  FAILED"), "{table:?}");
        assert!(table[1].ends_with("     0        0       0"), "{table:?}");
        assert!(table[2].starts_with("\\u{1b}  6b7c1f2e-2  agent  r       closed: a\\u{1b} "), "{table:?}");
        assert_eq!(table[2].split_whitespace().filter(|cell| *cell == "-").count(), 5, "{table:?}");
        assert!(table[2].ends_with("     7        7       6"), "{table:?}");
    }

    #[test]
    fn uuids_and_names_give_way_to_what_moves() {
        let long = "n".repeat(40);
        let guests = [
            watched(&long, "6b7c1f2e-0000-4000-8000-000000000001", Counters::default()),
            watched("db1", "6b7c1f2e-0000-4000-8000-000000000002", Counters::default()),
        ];
        let widest = |columns| fitting(&guests, columns).iter().map(|line| line.chars().count()).max();
        assert_eq!(widest(140), Some(140));
        assert_eq!(fitting(&guests, 139)[1].split_whitespace().nth(1), Some("6b7c1f2e"));
        assert_eq!(widest(112), Some(112), "without a part of the UUID it fits");
        assert_eq!(widest(100), Some(100));
        assert!(fitting(&guests, 100)[1].starts_with(&format!("{}…  6b7c1f2e", "n".repeat(27))));
        // There is an end to it; the screen cuts the rest.
        assert_eq!(widest(20), Some(80));
    }
}
