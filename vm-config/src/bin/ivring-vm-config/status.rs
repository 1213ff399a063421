//! The command `status`.

use clap::Args;
use ivring_vm_config::libvirt::Wish;

use crate::Failure;
use crate::judged::judged;
use crate::options::DeviceOptions;
use crate::row::{Column, Row};
use crate::table::Table;
use crate::targets::Targets;

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config status                          every domain of this host
  ivring-vm-config status web1 db1                 two of them
  ivring-vm-config status --json --exclude 'test-*'

States: ok, missing (see apply), pending (configured, and not running so yet), differs (another device for the same
region), refused (no machine for the device), excluded, failed.

Exit codes: 0 all have it, 1 some lack it, 2 usage, 3 some have another device or cannot have it, 4 no such domain,
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
    device: DeviceOptions,
}

impl StatusOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let request = self.device.request()?;
        let (places, worst) = self.targets.find(true)?;
        let columns = [Column::Domain, Column::Uri, Column::State, Column::Address, Column::Reason];
        let mut table = Table::new(&columns, &places, self.json);
        for place in &places {
            let uri = place.connection.uri();
            for (domain, judgement) in judged(place, &request, Wish::Present) {
                table.tell(match judgement {
                    _ if self.targets.excludes(domain) => Row::excluded(uri, domain),
                    Err(error) => Row::unknown(uri, domain, &error),
                    Ok(judgement) => Row::judged(uri, domain, &judgement, "missing"),
                })?;
            }
        }
        Ok(table.end()?.max(worst))
    }
}
