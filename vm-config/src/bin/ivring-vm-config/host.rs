//! The command `host`.

mod apparmor;
mod check;
mod remedy;
mod selinux;
mod tmpfiles;

use clap::{Args, Subcommand};

use crate::Failure;

#[derive(Debug, Args)]
pub struct HostOptions {
    #[command(subcommand)]
    command: HostCommand,
}

#[derive(Debug, Subcommand)]
enum HostCommand {
    /// Whether this host can give its domains the region, a line for each thing that it takes
    Check(check::CheckOptions),
    /// The line for systemd-tmpfiles that makes the region at boot, of the right owner and mode
    Tmpfiles(tmpfiles::TmpfilesOptions),
    /// The line that lets QEMU open the region where AppArmor confines it and libvirt is older than 5.10
    Apparmor(apparmor::ApparmorOptions),
    /// The commands that let QEMU open the region where SELinux confines it
    Selinux(selinux::SelinuxOptions),
}

impl HostOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        match &self.command {
            HostCommand::Check(options) => options.run(),
            HostCommand::Tmpfiles(options) => options.run(),
            HostCommand::Apparmor(options) => options.run(),
            HostCommand::Selinux(options) => options.run(),
        }
    }
}
