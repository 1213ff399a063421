//! `ivring-vm-config`: the ivshmem device for QEMU and in the XML of libvirt domains.

mod apply;
mod backup_options;
mod exit;
mod host;
mod judged;
mod options;
mod outcome;
mod patch;
mod qemu_args;
mod qmp;
mod question;
mod remembered;
mod remove;
mod rollback;
mod round;
mod row;
mod state_options;
mod status;
mod table;
mod targets;
mod together;
mod watch;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ivring_vm_config::{Device, Layout};
use options::{AliasOption, KindOptions, RegionOptions};

/// Gives virtual machines the ivshmem device of ivring.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config apply --all --dry-run                         what every domain of libvirt would get, and lose
  ivring-vm-config apply --all                                   give it to them
  ivring-vm-config status                                        which have it
  ivring-vm-config watch                                         give it to every domain, also to those to come
  ivring-vm-config remove --all                                  take it from them
  ivring-vm-config host check                                    whether this host can do it, and what to do if not
  qemu-system-x86_64 ... $(ivring-vm-config qemu-args)           start QEMU with the region fg_i3
  ivring-vm-config qmp attach --socket /run/web1.qmp             plug it into a QEMU that runs without libvirt
  ivring-vm-config xml > shmem.xml                               then: virsh attach-device DOMAIN shmem.xml --config
  ivring-vm-config patch web1.xml > web1-with-device.xml         the XML of a domain, with the device

Exit codes: 0 done or already so, 1 a check found something to change, 2 usage, 3 refused or unsupported, 4 an input that
is no domain, or a name or size that cannot be used, 5 reading or writing, or libvirt, failed, 6 done, and something is
still pending";

#[derive(Debug, Subcommand)]
enum Command {
    /// The arguments for a QEMU command line
    QemuArgs(qemu_args::QemuArgsOptions),
    /// The <shmem> element for <devices> of a libvirt domain
    Xml {
        #[command(flatten)]
        region: RegionOptions,
        #[command(flatten)]
        kind: KindOptions,
        #[command(flatten)]
        alias: AliasOption,
    },
    /// Adds the device to the XML of libvirt domains, or takes it out
    Patch(patch::PatchOptions),
    /// Gives the device to the domains of libvirt
    Apply(apply::ApplyOptions),
    /// Which domains of libvirt have the device
    Status(status::StatusOptions),
    /// Gives the device to every domain of libvirt, also to those that are defined later
    Watch(watch::WatchOptions),
    /// Takes the device from the domains of libvirt
    Remove(remove::RemoveOptions),
    /// Gives domains of libvirt back the configuration they had
    Rollback(rollback::RollbackOptions),
    /// Whether this host has all that it takes, and the remedies
    Host(host::HostOptions),
    /// Plugs the device into a QEMU that runs and is none of libvirt's
    Qmp(qmp::QmpOptions),
}

/// Why the command ends without having done what was asked.
struct Failure {
    code: u8,
    message: String,
}

impl From<options::BadOptions> for Failure {
    fn from(error: options::BadOptions) -> Self {
        match error {
            options::BadOptions::Value(message) => Self { code: exit::BAD_INPUT, message },
            options::BadOptions::Together(error) => Self { code: exit::USAGE, message: error.to_string() },
        }
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::QemuArgs(options) => options.render().and_then(|text| print(&text)),
        Command::Xml { region, kind, alias } => xml(&region, &kind, &alias).and_then(|text| print(&text)),
        Command::Patch(options) => options.run(),
        Command::Apply(options) => options.run(),
        Command::Status(options) => options.run(),
        Command::Watch(options) => options.run(),
        Command::Remove(options) => options.run(),
        Command::Rollback(options) => options.run(),
        Command::Host(options) => options.run(),
        Command::Qmp(options) => options.run(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, message }) => {
            eprintln!("ivring-vm-config: {message}");
            ExitCode::from(code)
        }
    }
}

fn xml(region: &RegionOptions, kind: &KindOptions, alias: &AliasOption) -> Result<String, Failure> {
    let bad = |message| Failure { code: exit::BAD_INPUT, message };
    let usual = Device::new(region.region().map_err(bad)?);
    let alias = alias.alias().unwrap_or_else(|| usual.alias.clone());
    let device = Device { model: kind.model(), role: kind.role(), alias, ..usual };
    Ok(device.libvirt_xml(None, &Layout::default()) + "\n")
}

/// Writes `text` to standard output. A reader that has gone away is no failure.
fn print(text: &str) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure { code: exit::IO_FAILED, message: format!("cannot write the result: {error}") })
        }
        _ => Ok(0),
    }
}
