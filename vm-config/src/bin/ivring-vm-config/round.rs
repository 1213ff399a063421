//! A round through many domains: all are judged, the change is agreed to, and one after the other is changed.

use clap::Args;
use ivring_vm_config::libvirt::{Backups, Connection, Judgement, Listed, Standing, Wish};
use ivring_vm_config::{Action, Request};

use crate::backup_options::{self, BackupOptions};
use crate::judged::{Judged, judged};
use crate::question::{agreed, can_be_asked, domains};
use crate::row::{Column, Row};
use crate::table::Table;
use crate::targets::Targets;
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

impl RoundOptions {
    /// Goes the round.
    pub fn go(&self, round: &Round<'_>, work: &impl Work) -> Result<u8, Failure> {
        if !self.targets.are_given() {
            let message = "no DOMAIN: name some, or give --all; see --help".to_owned();
            return Err(Failure { code: exit::USAGE, message });
        }
        let (places, worst) = self.targets.find(false)?;
        let known: Vec<Vec<Judged<'_>>> =
            places.iter().map(|place| judged(place, round.request, round.wish).collect()).collect();
        let acts_on = |(domain, known): &&Judged<'_>| {
            let judgement = known.as_ref().ok().filter(|_| !self.targets.excludes(domain));
            judgement.is_some_and(|judgement| round.acts_on(domain, judgement))
        };
        let mut left = self.limit.unwrap_or(usize::MAX);
        let affected = known.iter().flatten().filter(acts_on).count().min(left);
        let asks = self.targets.all() && !self.dry_run && !self.yes && affected > 0 && can_be_asked();
        if asks && !agreed(&format!("{} {}", domains(affected), round.means))? {
            return Ok(exit::NEGATIVE);
        }
        let mut table = Table::new(round.columns, &places, self.json);
        let mut backups = self.backups.backups();
        for (place, known) in places.iter().zip(known) {
            let uri = place.connection.uri();
            let mut change = work.at(&place.connection, &mut backups);
            for (domain, known) in known {
                table.tell(match known {
                    _ if self.targets.excludes(domain) => Row::excluded(uri, domain),
                    Err(error) => Row::unknown(uri, domain, &error),
                    Ok(judgement) => {
                        let row = Row::judged(uri, domain, &judgement, round.to_do);
                        if !round.acts_on(domain, &judgement) {
                            row
                        } else if left == 0 {
                            row.left("left for another run by --limit")
                        } else {
                            left -= 1;
                            change(domain, &judgement, row)
                        }
                    }
                })?;
            }
        }
        backup_options::tell(&backups);
        Ok(table.end()?.max(worst))
    }
}

impl Round<'_> {
    /// Whether something is to be done with `domain`, as far as is known before it is tried.
    fn acts_on(&self, domain: &Listed, judgement: &Judgement) -> bool {
        match judgement.standing {
            Standing::ToDo(_) | Standing::Transient(_) => true,
            Standing::Waiting(_) => {
                self.live
                    && domain.running
                    && judgement.live.as_ref().is_none_or(|live| live.action() != Action::Nothing)
            }
            Standing::AsWanted | Standing::Refused(_) | Standing::Unreadable(_) => false,
        }
    }
}
