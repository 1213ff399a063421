//! The command `remove`.

use std::time::Duration;

use clap::Args;
use ivring_vm_config::libvirt::{Backups, Connection, Removal, Wish};
use ivring_vm_config::{Action, Request};

use crate::Failure;
use crate::options::{ConflictOption, WhichOptions};
use crate::round::{Change, Round, RoundOptions, Work};
use crate::row::{Column, Row};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config remove --all --dry-run          what would be done
  ivring-vm-config remove --all                    from every domain of this host; asks first
  ivring-vm-config remove web1 --live              from the running domain, too, when its guest lets go of it
  ivring-vm-config remove --all --name fg_other    the device of another region

The device goes whatever its size is, and every one if there are several for the region. The PCI controllers that libvirt
had added for it go with it; which these are is known from the backup that apply has made, so give the same --backup-dir.
Then the configuration is as it was before. A running domain has the device until it is shut down, or until its guest lets
go of it with --live.

It is remembered that the device was taken out on purpose: watch leaves the domain alone until apply gives it again. After
remove --all, apply --all does that; a domain that was named to remove wants to be named to apply, too.

The configuration of each domain is kept before it changes, readable by its owner only: see rollback --help.

Exit codes: 0 done or nothing to do, 1 --dry-run found something to do or the answer was no, 2 usage, 3 some domain was
refused, 4 no such domain, 5 libvirt failed, 6 done, and some domain runs with it still. The highest counts; the other
domains are done.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RemoveOptions {
    #[command(flatten)]
    round: RoundOptions,
    /// Take it from running domains at once, too
    #[arg(long)]
    live: bool,
    /// How long each guest may take to let go of it, with --live
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "live")]
    timeout: u32,
    #[command(flatten)]
    which: WhichOptions,
    /// What becomes of a device for the same region that takes its memory from a server: replace takes it out
    #[arg(long, value_enum, default_value_t = ConflictOption::Refuse)]
    on_conflict: ConflictOption,
}

impl RemoveOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let request = self.which.request()?.with_conflict(self.on_conflict.into());
        let round = Round {
            wish: Wish::Absent,
            request: &request,
            live: self.live,
            again: false,
            to_do: "present",
            columns: &[Column::Domain, Column::Uri, Column::State, Column::Action, Column::Reason],
            means: "will lose the device",
        };
        self.round.go(&round, &Remove { options: self, request: &request })
    }
}

struct Remove<'a> {
    options: &'a RemoveOptions,
    request: &'a Request,
}

impl Work for Remove<'_> {
    fn at<'p>(&'p self, connection: &'p Connection, backups: &'p mut Backups) -> Change<'p> {
        let live = self.options.live;
        let patience = Duration::from_secs(self.options.timeout.into());
        let mut removal = Removal::new(connection, self.request, backups, patience);
        if self.options.round.dry_run {
            return Box::new(move |domain, _, row| match removal.check(domain, live) {
                Ok(controllers) => row.with_controllers(controllers),
                Err(error) => row.not_changed(&error),
            });
        }
        Box::new(move |domain, _, row| match removal.remove(domain, live) {
            Ok(removed) => {
                let row = Row::judged(connection.uri(), domain, &removed.now, "present");
                let row = if removed.held { row.held() } else { row };
                // That the guest was asked is nothing done.
                let done = removed.backup.is_some() || !removed.held;
                let row = if done { row.done(Action::Remove, removed.backup.as_deref()) } else { row };
                row.with_controllers(removed.controllers)
            }
            Err(error) => row.not_changed(&error),
        })
    }
}
