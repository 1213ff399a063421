//! The command `host tmpfiles`.

use clap::Args;
use ivring_vm_config::host::{Root, Tmpfiles};
use ivring_vm_config::libvirt::{Connection, Listed};

use super::remedy::told;
use crate::options::WhichOptions;
use crate::targets::ConnectOptions;
use crate::{Failure, print};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config host tmpfiles                          print it
  ivring-vm-config host tmpfiles --install                put it into /etc/tmpfiles.d/ivringd.conf
  systemd-tmpfiles --create ivringd.conf                  and have it take effect now
  ivring-vm-config host tmpfiles --per-domain --install   a line for each domain there is

The owner is the user ivring where ivringd is a service, else root; the group is one that QEMU is in on this host.
Lines for other regions stay. Another line for the same region is shown and left alone (3).

Exit codes: 0 done or already so, 2 usage, 3 refused, 4 a name that cannot be used, 5 writing, or libvirt, failed.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TmpfilesOptions {
    #[command(flatten)]
    which: WhichOptions,
    #[command(flatten)]
    connect: ConnectOptions,
    /// Write it to /etc/tmpfiles.d/ivringd.conf
    #[arg(long)]
    install: bool,
}

impl TmpfilesOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let root = Root::system();
        let domains = || {
            let lists: Result<Vec<Vec<Listed>>, _> =
                self.connect.connections(true).iter().map(Connection::list).collect();
            lists.map(|lists| lists.concat())
        };
        let tmpfiles = Tmpfiles::of(&root, &self.which.regions(domains)?);
        if !self.install {
            return print(&tmpfiles.text());
        }
        let now = format!("written to {}; it takes effect with: {}", Tmpfiles::FILE, Tmpfiles::APPLY);
        told(tmpfiles.install(&root), &now, "")
    }
}
