//! The command `host check`.

use clap::Args;
use ivring_vm_config::Size;
use ivring_vm_config::host::{CheckLine, HostCheck, LibvirtHost, Root, Verdict};

use crate::options::WhichOptions;
use crate::targets::ConnectOptions;
use crate::{Failure, exit, print};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config host check                          the region fg_i3, and the libvirt of this machine
  ivring-vm-config host check --size 8M                and that its file has this size
  ivring-vm-config host check --per-domain             the regions of all domains, fg_i3-UUID
  ivring-vm-config host check -c qemu:///session       for your own domains
  ivring-vm-config host check --json

Each line says what is, and after -> the command that helps. FAILED stops messages, or will. PENDING does no harm now.
UNKNOWN could not be looked at: run it as root. Nothing is changed.

Exit codes: 0 nothing failed, 1 something failed, 2 usage, 4 a name or size that cannot be used.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckOptions {
    #[command(flatten)]
    which: WhichOptions,
    /// Size that the region is to have [default: any that a region can have]
    #[arg(long)]
    size: Option<String>,
    #[command(flatten)]
    connect: ConnectOptions,
    /// Print a list of checks as JSON
    #[arg(long)]
    json: bool,
}

impl CheckOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let bad = |message| Failure { code: exit::BAD_INPUT, message };
        let size = self.size.as_deref().map(str::parse::<Size>).transpose();
        let size = size.map_err(|error| bad(format!("--size: {error}")))?;
        let connections = self.connect.connections(true);
        // A libvirt that does not answer has a line of its own.
        let domains = || Ok(connections.iter().flat_map(|it| it.list().unwrap_or_default()).collect());
        let regions = self.which.regions(domains)?;
        let libvirts: Vec<LibvirtHost> = connections.iter().map(LibvirtHost::ask).collect();
        let root = Root::system();
        let lines = HostCheck { root: &root, regions: &regions, size, libvirts: &libvirts }.lines();
        self.tell(&lines)?;
        let failed: Vec<&CheckLine> = lines.iter().filter(|line| line.verdict == Verdict::Failed).collect();
        let Some(first) = failed.first() else { return Ok(0) };
        eprintln!("ivring-vm-config: {} failed: first {}", failed.len(), first.check);
        Ok(exit::NEGATIVE)
    }

    fn tell(&self, lines: &[CheckLine]) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string_pretty(lines)
                .map_err(|error| Failure { code: exit::IO_FAILED, message: error.to_string() })?
                + "\n"
        } else {
            lines.iter().map(|line| format!("{line}\n")).collect()
        };
        print(&text).map(drop)
    }
}
