//! The command `host selinux`.

use clap::Args;
use ivring_vm_config::host::{Root, SelinuxLabel};

use super::remedy::told;
use crate::options::WhichOptions;
use crate::{Failure, print};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config host selinux                           print them
  ivring-vm-config host selinux --install                 run them
  ivring-vm-config host selinux --per-domain --install    for the regions of all domains, also later ones

/dev/shm is empty after a boot. systemd-tmpfiles labels what it makes by the rule (see host tmpfiles); for a file that
ivringd or QEMU made, run restorecon again. ivring-vm-config host check tells whether the label is right.

Exit codes: 0 done, already so, or SELinux is off, 2 usage, 3 semanage or restorecon is not installed, 4 a name that cannot
be used, 5 one of them failed.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SelinuxOptions {
    #[command(flatten)]
    which: WhichOptions,
    /// Run them
    #[arg(long)]
    install: bool,
}

impl SelinuxOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let label = self.which.pattern(SelinuxLabel::new, SelinuxLabel::of_domains)?;
        if !self.install {
            return print(&label.text());
        }
        told(label.install(&Root::system()), "the rule is there, and the files have the label", "SELinux")
    }
}
