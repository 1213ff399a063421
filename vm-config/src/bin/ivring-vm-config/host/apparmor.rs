//! The command `host apparmor`.

use clap::Args;
use ivring_vm_config::host::{AppArmorRule, Root};

use super::remedy::told;
use crate::options::WhichOptions;
use crate::{Failure, print};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config host apparmor                          print it
  ivring-vm-config host apparmor --install                add it to /etc/apparmor.d/local/abstractions/libvirt-qemu
  ivring-vm-config host apparmor --per-domain --install   for the regions of all domains, also later ones

A domain has it from its next start on. libvirt since 5.10 writes such a line for each domain by itself.

Exit codes: 0 done, already so, or AppArmor is off, 2 usage, 4 a name that cannot be used, 5 writing failed.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApparmorOptions {
    #[command(flatten)]
    which: WhichOptions,
    /// Add it to /etc/apparmor.d/local/abstractions/libvirt-qemu, once
    #[arg(long)]
    install: bool,
}

impl ApparmorOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let rule = self.which.pattern(AppArmorRule::new, AppArmorRule::of_domains)?;
        if !self.install {
            return print(&format!("{}\n", rule.text()));
        }
        let now = format!("added to {}; domains have it from their next start on", AppArmorRule::FILE);
        told(rule.install(&Root::system()), &now, "AppArmor")
    }
}
