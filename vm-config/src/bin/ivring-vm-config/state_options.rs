//! Where it is remembered from which domains the device was taken on purpose, the same for every command.

use std::path::PathBuf;

use clap::Args;
use ivring_vm_config::libvirt::Ledger;

/// Where it is remembered from which domains the device was taken on purpose.
#[derive(Debug, Args)]
pub struct StateOptions {
    /// File that remembers who is to be without it [default: /var/lib/ivring/watch.json, not as root ~/.local/state/...]
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
}

impl StateOptions {
    /// The ledger.
    pub fn ledger(&self) -> Ledger {
        self.state_file.clone().map_or_else(Ledger::usual, Ledger::in_file)
    }
}
