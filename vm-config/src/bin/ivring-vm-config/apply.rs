//! The command `apply`.

use clap::Args;
use ivring_vm_config::libvirt::{Backups, ChangeError, Changed, Changes, Connection, Listed, Wish};
use ivring_vm_config::{Action, Request};

use crate::Failure;
use crate::options::DeviceOptions;
use crate::round::{Change, Round, RoundOptions, Work};
use crate::row::{Column, LOSSES, Row, losses};

/// The state of a domain that is to get the device.
pub const TO_DO: &str = "missing";

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config apply --all --dry-run           what would be done, and what each domain loses by it
  ivring-vm-config apply --all                     every domain of this host; asks first
  ivring-vm-config apply --all --limit 1 --yes     one domain first; the same again does the next
  ivring-vm-config apply --all --exclude 'win*'    all but some
  ivring-vm-config apply web1 --live               at once, without shutting it down
  ivring-vm-config apply --all --again             also to those from which it was taken on purpose
  ivring-vm-config apply --all -c qemu:///system -c qemu:///session

Doing it again changes nothing. A running domain gets the device with its next start (a reboot is not enough), or at once
with --live where its machine can: pc, and q35 with a conventional bridge or an empty root port. While a domain has the
device, libvirt refuses to save, managed-save or migrate it and to take snapshots with memory.

--all leaves alone a domain from which the device was taken on purpose (state removed): by remove with its name, or by hand
while watch ran. To name it gives it the device again, and forgets that; --again does so for all. What remove --all or a
rollback has taken out is given again by --all.

The configuration of each domain is kept before it changes, readable by its owner only: see rollback --help.

Exit codes: 0 done or already so, 1 --dry-run found something to do or the answer was no, 2 usage, 3 some domain was
refused, 4 no such domain, 5 libvirt failed, 6 done, and some domain does not run with it yet. The highest counts; the other
domains are done.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApplyOptions {
    #[command(flatten)]
    round: RoundOptions,
    /// Give it to running domains at once, too
    #[arg(long)]
    live: bool,
    /// With --all, also to domains from which it was taken on purpose
    #[arg(long, requires = "all")]
    again: bool,
    #[command(flatten)]
    device: DeviceOptions,
}

impl ApplyOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let request = self.device.request()?;
        let columns: &[Column] = if self.round.dry_run {
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
        let means = if self.device.forbids_saving() {
            format!("will have the device and can then do no {}", LOSSES.join(", "))
        } else {
            "will have the device; restoring one of them restores its region, too".to_owned()
        };
        let round = Round {
            wish: Wish::Present,
            request: &request,
            live: self.live,
            again: self.again,
            to_do: TO_DO,
            columns,
            means: &means,
        };
        self.round.go(&round, &Apply { options: self, request: &request })
    }
}

struct Apply<'a> {
    options: &'a ApplyOptions,
    request: &'a Request,
}

impl Work for Apply<'_> {
    fn at<'p>(&'p self, connection: &'p Connection, backups: &'p mut Backups) -> Change<'p> {
        let live = self.options.live;
        let mut changes = Changes::new(connection, self.request, backups);
        if self.options.round.dry_run {
            return Box::new(move |domain, judgement, row| match changes.check(domain, live) {
                Ok(address) => row.previewed(address, losses(judgement)),
                Err(error) => row.not_changed(&error),
            });
        }
        Box::new(move |domain, _, row| told(connection.uri(), domain, row, changes.install(domain, live)))
    }
}

/// The row of `domain`, which is at `uri` and had the row `row`, after it was or was not given the device.
pub fn told(uri: &str, domain: &Listed, row: Row, result: Result<Changed, ChangeError>) -> Row {
    match result {
        Ok(changed) => {
            let action = if changed.config == Action::Nothing { changed.live } else { changed.config };
            Row::judged(uri, domain, &changed.now, TO_DO).done(action, changed.backup.as_deref())
        }
        Err(error) => row.not_changed(&error),
    }
}
