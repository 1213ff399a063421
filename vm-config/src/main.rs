//! `ivring-vm-config`: prints the ivshmem device for QEMU or libvirt.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use ivring_vm_config::{DEFAULT_SLOT, Shmem, Size};

/// Bad input: a name or size that cannot be used.
const BAD_INPUT: u8 = 4;
/// Input or output failed.
const IO_FAILED: u8 = 5;

/// Prints the ivshmem device of ivring for a virtual machine.
///
/// Nothing is changed: the text goes to standard output, for a script or an editor.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  qemu-system-x86_64 ... $(ivring-vm-config qemu-args)   start QEMU with the region fg_i3
  ivring-vm-config qemu-args --slot 0x10                 for the machine type q35
  ivring-vm-config xml --size 16M > shmem.xml            then: virsh attach-device DOMAIN shmem.xml --config

Exit codes: 0 done, 2 usage, 4 a name or size that cannot be used, 5 output failed";

#[derive(Debug, Subcommand)]
enum Command {
    /// The arguments for a QEMU command line
    QemuArgs {
        #[command(flatten)]
        region: Region,
        /// PCI slot on bus 0 (1 to 31); 0x1f is taken on the machine type q35
        #[arg(long, default_value_t = DEFAULT_SLOT, value_parser = slot)]
        slot: u8,
    },
    /// The <shmem> element for <devices> of a libvirt domain
    Xml {
        #[command(flatten)]
        region: Region,
    },
}

#[derive(Debug, Args)]
struct Region {
    /// Name of the region: the file /dev/shm/NAME
    #[arg(long, default_value = "fg_i3")]
    name: String,
    /// Size of the region, a power of two of at least 1M
    #[arg(long, default_value = "8M")]
    size: String,
}

fn slot(text: &str) -> Result<u8, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed
        .ok()
        .filter(|slot| (1..=31).contains(slot))
        .ok_or_else(|| "a slot is 1 to 31 (0x1 to 0x1f)".to_owned())
}

fn main() -> ExitCode {
    let text = match render(Cli::parse().command) {
        Ok(text) => text,
        Err(message) => {
            eprintln!("ivring-vm-config: {message}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("ivring-vm-config: cannot write the result: {error}");
            ExitCode::from(IO_FAILED)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn render(command: Command) -> Result<String, String> {
    let shmem = |region: Region| {
        let size: Size = region.size.parse().map_err(|error| format!("--size: {error}"))?;
        Shmem::new(&region.name, size).map_err(|error| format!("--name: {error}"))
    };
    match command {
        Command::QemuArgs { region, slot } => Ok(shmem(region)?.qemu_args(slot).join(" ") + "\n"),
        Command::Xml { region } => Ok(shmem(region)?.libvirt_xml()),
    }
}
