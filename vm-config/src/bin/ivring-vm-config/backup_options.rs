//! Where configurations are kept before they are changed, the same for every command.

use std::path::PathBuf;

use clap::Args;
use ivring_vm_config::libvirt::Backups;

/// Where configurations are kept before they are changed.
#[derive(Debug, Args)]
pub struct BackupOptions {
    /// Folder for the configurations from before [default: /var/lib/ivring/backups, not as root ~/.local/state/...]
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
}

impl BackupOptions {
    /// The backups.
    pub fn backups(&self) -> Backups {
        self.backup_dir.clone().map_or_else(Backups::usual, Backups::in_folder)
    }
}

/// Tells where those of this run are, if there are any.
pub fn tell(backups: &Backups) {
    if let Some(run) = backups.run() {
        eprintln!("ivring-vm-config: the configurations from before are in {}", run.display());
    }
}
