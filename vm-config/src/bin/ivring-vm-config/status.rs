//! The command `status`.

use clap::Args;
use ivring_vm_config::libvirt::Wish;

use crate::Failure;
use crate::apply::TO_DO;
use crate::judged::judged;
use crate::options::DeviceOptions;
use crate::remembered::{Remembered, key};
use crate::row::{Column, Row};
use crate::state_options::StateOptions;
use crate::table::Table;
use crate::targets::Targets;

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config status                          every domain of this host
  ivring-vm-config status web1 db1                 two of them
  ivring-vm-config status --json --exclude 'test-*'

States: ok, missing (see apply), pending (configured, and not running so yet), differs (another device for the same
region), refused (no machine for the device), removed (taken out on purpose, and left alone until apply names it), excluded,
failed.

Exit codes: 0 all have it or are to be without, 1 some lack it, 2 usage, 3 some have another device or cannot have it, 4 no such domain,
5 libvirt failed, 6 some do not run with it yet. The highest counts. Any user may ask; nothing is changed.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusOptions {
    #[command(flatten)]
    targets: Targets,
    /// Print a list of domains as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

impl StatusOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let request = self.device.request()?;
        // Where that cannot be read, the rest is worth telling.
        let remembered = Remembered::read(self.state.ledger())
            .inspect_err(|error| eprintln!("ivring-vm-config: {error}"))
            .ok();
        let (places, worst) = self.targets.find(true)?;
        let columns = [Column::Domain, Column::Uri, Column::State, Column::Address, Column::Reason];
        let mut table = Table::new(&columns, &places, self.json);
        for place in &places {
            let uri = place.connection.uri();
            for (domain, judgement) in judged(place, &request, Wish::Present) {
                table.tell(match judgement {
                    _ if self.targets.excludes(domain) => Row::excluded(uri, domain),
                    Err(error) => Row::unknown(uri, domain, &error),
                    Ok(judgement) => {
                        let key = key(uri, domain, &judgement).filter(|_| judgement.lacks_device());
                        let remembered = remembered.as_ref().zip(key);
                        match remembered.as_ref().and_then(|(remembered, key)| remembered.taken_out(key)) {
                            Some(taken_out) => Row::left_alone(uri, domain, taken_out),
                            None => Row::judged(uri, domain, &judgement, TO_DO),
                        }
                    }
                })?;
            }
        }
        Ok(table.end()?.max(worst))
    }
}
