//! The command `rollback`.

use std::path::PathBuf;
use std::slice;

use clap::Args;
use ivring_vm_config::Request;
use ivring_vm_config::libvirt::{Backups, By, ChangeError, Key, Listed, Rollback, Saved, SavedError};

use crate::backup_options::{self, BackupOptions};
use crate::options::WhichOptions;
use crate::question::{agreed, can_be_asked, domains};
use crate::remembered::Remembered;
use crate::row::{Column, Row};
use crate::state_options::StateOptions;
use crate::table::Table;
use crate::targets::{ConnectOptions, Place};
use crate::{Failure, exit};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config rollback --from /var/lib/ivring/backups/2026-02-03T04:05:06.789Z --dry-run   what would change
  ivring-vm-config rollback --from /var/lib/ivring/backups/2026-02-03T04:05:06.789Z             what one run changed
  ivring-vm-config rollback --from /var/lib/ivring/backups/2026-02-03T04:05:06.789Z/UUID.xml    one domain

apply and remove tell the folder of their run. Each domain in it gets back the configuration it had before that run. The
one it has now is kept first, in a folder of its own, so a rollback can be rolled back.

A domain that somebody has edited since is left alone, unless --discard-edits is given. What the device brought along is no
edit. A running domain is as before with its next start (a reboot is not enough). A domain that has the device no longer is
left alone by watch until apply names it, or is for all.

Exit codes: 0 done or nothing to do, 1 --dry-run found something to do or the answer was no, 2 usage, 3 some domain was
refused, 4 a file is no backup, 5 libvirt failed, 6 done, and some domain runs otherwise still. The highest counts; the other
domains are done.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RollbackOptions {
    /// The folder of a run, or a file in it
    #[arg(long, value_name = "FILE|RUN-FOLDER")]
    from: PathBuf,
    #[command(flatten)]
    connect: ConnectOptions,
    /// Only tell what would change, with secrets covered; exit code 1 if something would
    #[arg(long)]
    dry_run: bool,
    /// Also take back what others have changed since
    #[arg(long)]
    discard_edits: bool,
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
    #[command(flatten)]
    which: WhichOptions,
}

/// A backup and the place where its domain is defined, if there is one.
struct Found<'a> {
    saved: &'a Saved,
    at: Option<(&'a Place, &'a Listed)>,
}

impl RollbackOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let request = self.which.request()?;
        let mut remembered = Remembered::read(self.state.ledger())?;
        let (saved, bad) = self.saved()?;
        let (mut places, failed) = self.connect.places(false);
        for place in &mut places {
            place.domains.retain(|domain| saved.iter().any(|saved| is_of(saved, domain)));
        }
        let found: Vec<Found<'_>> = saved.iter().map(|saved| find(saved, &places)).collect();
        // What is not found may be at the libvirt that did not answer.
        let found: Vec<Found<'_>> = found.into_iter().filter(|it| it.at.is_some() || failed == 0).collect();
        if !self.dry_run && !self.yes && can_be_asked() && !self.agreed(&found, &request)? {
            return Ok(exit::NEGATIVE);
        }
        let columns = [Column::Domain, Column::Uri, Column::State, Column::Action, Column::Reason];
        let mut table = Table::new(&columns, &places, self.json);
        let mut backups = self.backups.backups();
        for found in &found {
            table.tell(self.one(found, &request, &mut backups, &mut remembered))?;
        }
        backup_options::tell(&backups);
        Ok(table.end()?.max(bad).max(failed))
    }

    /// What is kept, and the exit code of what cannot be read among it.
    fn saved(&self) -> Result<(Vec<Saved>, u8), Failure> {
        let code = |error: &SavedError| if error.is_failure() { exit::IO_FAILED } else { exit::BAD_INPUT };
        let found = Saved::find(&self.from)
            .map_err(|error| Failure { code: code(&error), message: error.to_string() })?;
        let mut worst = 0;
        let mut all = Vec::new();
        for saved in found {
            match saved {
                Ok(saved) => all.push(saved),
                Err(error) => {
                    eprintln!("ivring-vm-config: {error}");
                    worst = worst.max(code(&error));
                }
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((all, worst))
    }

    /// Asks before anything is changed.
    fn agreed(&self, found: &[Found<'_>], request: &Request) -> Result<bool, Failure> {
        let differs = |found: &&Found<'_>| {
            found.at.is_some_and(|(place, domain)| {
                self.rollback(place, request).check(domain, found.saved).is_ok_and(|diff| diff.is_some())
            })
        };
        let affected = found.iter().filter(differs).count();
        Ok(affected == 0
            || agreed(&format!("{} will be configured as in {}", domains(affected), self.from.display()))?)
    }

    fn rollback<'a>(&self, place: &'a Place, request: &'a Request) -> Rollback<'a> {
        Rollback::new(&place.connection, request, self.discard_edits)
    }

    fn one(
        &self,
        found: &Found<'_>,
        request: &Request,
        backups: &mut Backups,
        remembered: &mut Remembered,
    ) -> Row {
        let Some((place, domain)) = found.at else {
            return Row::refused(
                "",
                &as_kept(found.saved),
                &ChangeError::NotDefined(found.saved.path.clone()),
            );
        };
        let uri = place.connection.uri();
        let rollback = self.rollback(place, request);
        if self.dry_run {
            return match rollback.check(domain, found.saved) {
                Ok(None) => Row::as_saved(uri, domain),
                Ok(Some(diff)) => Row::changed(uri, domain, diff),
                Err(error) => Row::refused(uri, domain, &error),
            };
        }
        let (region, has_device) = match rollback.region(found.saved) {
            Ok(region) => region,
            Err(error) => return Row::refused(uri, domain, &error),
        };
        let key = Key { uri: uri.to_owned(), uuid: domain.uuid.clone(), region };
        let noted = if has_device {
            remembered.want(slice::from_ref(&key)).map(|()| None)
        } else {
            remembered.take_out(&key, domain, By::Rollback)
        };
        let before = match noted {
            Ok(before) => before,
            Err(error) => return Row::as_saved(uri, domain).not_noted(&error),
        };
        match rollback.roll_back(domain, found.saved, backups) {
            Ok(None) => Row::as_saved(uri, domain),
            Ok(Some(rolled_back)) => Row::restored(uri, domain, &rolled_back),
            Err(error) => {
                let row = Row::refused(uri, domain, &error);
                if has_device {
                    return row;
                }
                match remembered.restore(&key, before) {
                    Ok(()) => row,
                    Err(error) => row.not_noted(&error),
                }
            }
        }
    }
}

/// `saved` and where its domain is.
fn find<'a>(saved: &'a Saved, places: &'a [Place]) -> Found<'a> {
    let mut everywhere =
        places.iter().flat_map(|place| place.domains.iter().map(move |domain| (place, domain)));
    Found { saved, at: everywhere.find(|(_, domain)| is_of(saved, domain)) }
}

fn is_of(saved: &Saved, domain: &Listed) -> bool {
    saved.uuid.eq_ignore_ascii_case(&domain.uuid)
}

/// A domain that is nowhere, under the names it had.
fn as_kept(saved: &Saved) -> Listed {
    Listed {
        uuid: saved.uuid.clone(),
        name: saved.name.clone(),
        running: false,
        persistent: false,
        managed_save: false,
    }
}
