//! A round through many domains: all are judged, the change is agreed to, and one after the other is changed.

use clap::Args;
use ivring_vm_config::Request;
use ivring_vm_config::libvirt::{Backups, By, Connection, Judgement, Key, Listed, Wish};

use crate::backup_options::{self, BackupOptions};
use crate::judged::{Judged, judged};
use crate::question::{agreed, can_be_asked, domains};
use crate::remembered::{Remembered, key};
use crate::row::{Column, Row};
use crate::state_options::StateOptions;
use crate::table::Table;
use crate::targets::{Place, Targets};
use crate::{Failure, exit};

/// The options of a round.
#[derive(Debug, Args)]
pub struct RoundOptions {
    #[command(flatten)]
    targets: Targets,
    /// Only tell what would be done; exit code 1 if something would
    #[arg(long)]
    pub dry_run: bool,
    /// Change at most so many domains
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    backups: BackupOptions,
    #[command(flatten)]
    state: StateOptions,
    /// Print a list of what became of each domain, as JSON
    #[arg(long)]
    json: bool,
}

/// What a round is for.
pub struct Round<'a> {
    /// What is wanted of each domain.
    pub wish: Wish,
    /// The device.
    pub request: &'a Request,
    /// Whether running domains are changed at once, too.
    pub live: bool,
    /// Whether all domains are meant, also those from which the device was taken on purpose.
    pub again: bool,
    /// The state of a domain that there is something to do with.
    pub to_do: &'static str,
    /// What is told of each domain.
    pub columns: &'a [Column],
    /// What the change means, after "N domains": the question on a terminal.
    pub means: &'a str,
}

/// What is done to one domain: to what it is, how it was judged and its row so far belongs the row that is told.
pub type Change<'p> = Box<dyn FnMut(&Listed, &Judgement, Row) -> Row + 'p>;

/// What a round does.
pub trait Work {
    /// The change of the domains of `connection`, or the preview of it.
    fn at<'p>(&'p self, connection: &'p Connection, backups: &'p mut Backups) -> Change<'p>;
}

/// What is to become of a domain.
struct Lot<'a> {
    domain: &'a Listed,
    /// Its device, if it was judged whether it has one.
    key: Option<Key>,
    /// How it was judged, if something is to be done with it.
    judgement: Option<Judgement>,
    row: Row,
}

impl RoundOptions {
    /// Goes the round.
    pub fn go(&self, round: &Round<'_>, work: &impl Work) -> Result<u8, Failure> {
        if !self.targets.are_given() {
            let message = "no DOMAIN: name some, or give --all; see --help".to_owned();
            return Err(Failure { code: exit::USAGE, message });
        }
        let mut remembered = Remembered::read(self.state.ledger())?;
        let (places, worst) = self.targets.find(false)?;
        let lots: Vec<Vec<Lot<'_>>> =
            places.iter().map(|place| self.lots(place, round, &remembered)).collect();
        let mut left = self.limit.unwrap_or(usize::MAX);
        let affected = lots.iter().flatten().filter(|lot| lot.judgement.is_some()).count().min(left);
        let asks = self.targets.all() && !self.dry_run && !self.yes && affected > 0 && can_be_asked();
        if asks && !agreed(&format!("{} {}", domains(affected), round.means))? {
            return Ok(exit::NEGATIVE);
        }
        if !self.dry_run && round.wish == Wish::Present {
            // Those that are left alone have no key here.
            let wanted: Vec<Key> = lots.iter().flatten().filter_map(|lot| lot.key.clone()).collect();
            remembered.want(&wanted)?;
        }
        let notes = !self.dry_run && round.wish == Wish::Absent;
        let by = if self.targets.all() { By::RemoveAll } else { By::Remove };
        let mut table = Table::new(round.columns, &places, self.json);
        let mut backups = self.backups.backups();
        for (place, lots) in places.iter().zip(lots) {
            let mut change = work.at(&place.connection, &mut backups);
            for lot in lots {
                let is_left = lot.judgement.is_some() && left == 0;
                let noted = lot.key.as_ref().filter(|_| notes && !is_left);
                let before = noted.map(|key| remembered.take_out(key, lot.domain, by)).transpose();
                let row = match (before, lot.judgement) {
                    (Err(error), _) => lot.row.not_noted(&error),
                    (Ok(_), None) => lot.row,
                    (Ok(_), Some(_)) if is_left => lot.row.left("left for another run by --limit"),
                    (Ok(before), Some(judgement)) => {
                        left -= 1;
                        let row = change(lot.domain, &judgement, lot.row);
                        let failed = noted.filter(|_| row.has_failed());
                        match failed.map(|key| remembered.restore(key, before.flatten())) {
                            Some(Err(error)) => row.not_noted(&error),
                            _ => row,
                        }
                    }
                };
                table.tell(row)?;
            }
        }
        backup_options::tell(&backups);
        Ok(table.end()?.max(worst))
    }

    fn lots<'a>(&'a self, place: &'a Place, round: &'a Round<'a>, remembered: &Remembered) -> Vec<Lot<'a>> {
        let uri = place.connection.uri();
        let lot = |(domain, known): Judged<'a>| match known {
            _ if self.targets.excludes(domain) => Lot::of(domain, Row::excluded(uri, domain)),
            Err(error) => Lot::of(domain, Row::unknown(uri, domain, &error)),
            Ok(judgement) => {
                let key = key(uri, domain, &judgement);
                let spares = round.wish == Wish::Present && self.targets.all() && !round.again;
                let taken_out = key.as_ref().filter(|_| spares).and_then(|key| remembered.taken_out(key));
                let taken_out = taken_out.filter(|taken_out| taken_out.by.is_of_one());
                match taken_out.filter(|_| judgement.lacks_device()) {
                    Some(taken_out) => Lot::of(domain, Row::left_alone(uri, domain, taken_out)),
                    None => {
                        let row = Row::judged(uri, domain, &judgement, round.to_do);
                        let acts = judgement.acts(domain, round.live);
                        Lot { domain, key, row, judgement: acts.then_some(judgement) }
                    }
                }
            }
        };
        judged(place, round.request, round.wish).map(lot).collect()
    }
}

impl<'a> Lot<'a> {
    /// `row` is told of `domain`, and nothing is done with it.
    fn of(domain: &'a Listed, row: Row) -> Self {
        Self { domain, key: None, judgement: None, row }
    }
}
