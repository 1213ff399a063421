//! The command `apply`.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use ivring_vm_config::Action;
use ivring_vm_config::libvirt::{
    Backups, Changes, Connection, Documents, Judgement, LibvirtError, Listed, Standing, Wish,
};

use crate::options::DeviceOptions;
use crate::row::{Column, LOSSES, Row, losses};
use crate::table::Table;
use crate::targets::{Place, Targets};
use crate::{Failure, exit};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config apply --all --dry-run           what would be done, and what each domain loses by it
  ivring-vm-config apply --all                     every domain of this host; asks first
  ivring-vm-config apply --all --limit 1 --yes     one domain first; the same again does the next
  ivring-vm-config apply --all --exclude 'win*'    all but some
  ivring-vm-config apply web1 --live               at once, without shutting it down
  ivring-vm-config apply --all -c qemu:///system -c qemu:///session

Doing it again changes nothing. A running domain gets the device with its next start (a reboot is not enough), or at once
with --live where its machine can: pc, and q35 with a conventional bridge or an empty root port. While a domain has the
device, libvirt refuses to save, managed-save or migrate it and to take snapshots with memory.

The configuration of each domain is kept before it changes, readable by its owner only: see rollback --help.

Exit codes: 0 done or already so, 1 --dry-run found something to do, 2 usage, 3 some domain was refused, 4 no such domain,
5 libvirt failed, 6 done, and some domain does not run with it yet. The highest counts; the other domains are done.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApplyOptions {
    #[command(flatten)]
    targets: Targets,
    /// Give it to running domains at once, too
    #[arg(long)]
    live: bool,
    /// Only tell what would be done; exit code 1 if something would
    #[arg(long)]
    dry_run: bool,
    /// Change at most so many domains
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Folder for the configurations from before [default: /var/lib/ivring/backups, not as root ~/.local/state/...]
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
    /// Print a list of what became of each domain, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOptions,
}

/// A domain with all that was read of it.
type Known<'a> = (&'a Listed, Result<(Documents, Judgement), LibvirtError>);

impl ApplyOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let usage = |message: &str| Err(Failure { code: exit::USAGE, message: message.to_owned() });
        if !self.targets.are_given() {
            return usage("no DOMAIN: name some, or give --all; see apply --help");
        }
        let request = self.device.request()?;
        let (places, worst) = self.targets.find(false)?;
        let mut known = Vec::new();
        for place in &places {
            known.push(self.read(place, |domain, documents| {
                Judgement::new(domain, documents, &request, Wish::Present)
            })?);
        }
        let affected =
            known.iter().flatten().filter(|(domain, known)| self.is_affected(domain, known)).count();
        if !self.dry_run && !self.agreed(affected)? {
            return Ok(exit::NEGATIVE);
        }
        let columns: &[Column] = if self.dry_run {
            &[
                Column::Domain,
                Column::Uri,
                Column::State,
                Column::Action,
                Column::Address,
                Column::Loses,
                Column::Reason,
            ]
        } else {
            &[Column::Domain, Column::Uri, Column::State, Column::Action, Column::Address, Column::Reason]
        };
        let mut table = Table::new(columns, &places, self.json);
        let mut backups = self.backup_dir.clone().map_or_else(Backups::usual, Backups::in_folder);
        let mut left = self.limit.unwrap_or(usize::MAX);
        for (place, known) in places.iter().zip(&known) {
            let mut changes = Changes::new(&place.connection, &request, &mut backups);
            for (domain, known) in known {
                table.tell(self.one(place.connection.uri(), domain, known, &mut changes, &mut left))?;
            }
        }
        if let Some(run) = backups.run() {
            eprintln!("ivring-vm-config: the configurations from before are in {}", run.display());
        }
        Ok(table.end()?.max(worst))
    }

    fn read<'a>(
        &self,
        place: &'a Place,
        judge: impl Fn(&Listed, &Documents) -> Judgement,
    ) -> Result<Vec<Known<'a>>, Failure> {
        let mut known = Vec::new();
        for portion in Connection::portions(&place.domains) {
            let documents =
                place.connection.documents(portion).map_err(|error| Failure::of_libvirt(&error))?;
            known.extend(portion.iter().zip(documents).map(|(domain, documents)| {
                let judged = documents.map(|documents| {
                    let judgement = judge(domain, &documents);
                    (documents, judgement)
                });
                (domain, judged)
            }));
        }
        Ok(known)
    }

    fn one(
        &self,
        uri: &str,
        domain: &Listed,
        known: &Result<(Documents, Judgement), LibvirtError>,
        changes: &mut Changes<'_>,
        left: &mut usize,
    ) -> Row {
        if self.targets.excludes(domain) {
            return Row::excluded(uri, domain);
        }
        let judgement = match known {
            Ok((_, judgement)) => judgement,
            Err(error) => return Row::unknown(uri, domain, error),
        };
        let row = Row::judged(uri, domain, judgement, "missing");
        if !self.has_to_do(domain, judgement) {
            return row;
        }
        if *left == 0 {
            return row.left("left for another run by --limit");
        }
        *left -= 1;
        if self.dry_run {
            return match changes.check(domain, self.live) {
                Ok(address) => row.previewed(address, losses(judgement)),
                Err(error) => row.not_changed(&error),
            };
        }
        match changes.install(domain, self.live) {
            Ok(changed) => {
                let action = if changed.config == Action::Nothing { changed.live } else { changed.config };
                Row::judged(uri, domain, &changed.now, "missing").done(action, changed.backup.as_deref())
            }
            Err(error) => row.not_changed(&error),
        }
    }

    /// Whether something is to be done with `domain`, as far as is known before it is tried.
    fn has_to_do(&self, domain: &Listed, judgement: &Judgement) -> bool {
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

    fn is_affected(&self, domain: &Listed, known: &Result<(Documents, Judgement), LibvirtError>) -> bool {
        !self.targets.excludes(domain)
            && known.as_ref().is_ok_and(|(_, judgement)| self.has_to_do(domain, judgement))
    }

    /// Asks on a terminal before every domain is changed.
    fn agreed(&self, affected: usize) -> Result<bool, Failure> {
        let affected = affected.min(self.limit.unwrap_or(usize::MAX));
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if self.yes || !self.targets.all() || affected == 0 || !terminal {
            return Ok(true);
        }
        let failed = |error: io::Error| Failure { code: exit::IO_FAILED, message: error.to_string() };
        let domains =
            if affected == 1 { "1 domain gets".to_owned() } else { format!("{affected} domains get") };
        eprint!("{domains} the device and can then do no {}. Go on? [y/N] ", LOSSES.join(", "));
        io::stderr().flush().map_err(failed)?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(failed)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}
