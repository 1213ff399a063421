//! The command `qemu-args`.

use clap::{Args, ValueEnum};
use ivring_vm_config::{Machine, PciAddress, QemuArgs, Style};

use crate::options::{KindOptions, RegionOptions};
use crate::{Failure, exit};

const EXAMPLES: &str = "\
Examples:
  qemu-system-x86_64 ... $(ivring-vm-config qemu-args)
  qemu-system-x86_64 -M q35 ... $(ivring-vm-config qemu-args --machine q35 --style json)
  ivring-vm-config qemu-args --model legacy                     for a QEMU before 4.0

The arguments hold no white space and are not quoted: put JSON in quotes when you paste it into a shell.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QemuArgsOptions {
    #[command(flatten)]
    region: RegionOptions,
    #[command(flatten)]
    kind: KindOptions,
    /// Machine type, which says what bus 0 is called and which slots are taken
    #[arg(long, value_enum, default_value_t = MachineOption::Pc)]
    machine: MachineOption,
    /// How the arguments are written: key=value, or JSON (QEMU 6.2 and newer)
    #[arg(long, value_enum, default_value_t = StyleOption::Legacy)]
    style: StyleOption,
    /// PCI slot on bus 0, 1 to 31 [default: 0x1f for pc, 0x10 for q35]
    #[arg(long, value_parser = slot)]
    slot: Option<u8>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MachineOption {
    Pc,
    Q35,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StyleOption {
    Legacy,
    Json,
}

/// A slot alone; `PciAddress` would take a whole address too.
fn slot(text: &str) -> Result<u8, String> {
    let address = (!text.contains(':')).then(|| text.parse::<PciAddress>().ok()).flatten();
    address.map(PciAddress::slot).ok_or_else(|| "a slot is 1 to 31 (0x1 to 0x1f)".to_owned())
}

impl QemuArgsOptions {
    pub fn render(&self) -> Result<String, Failure> {
        let region = self.region.region().map_err(|message| Failure { code: exit::BAD_INPUT, message })?;
        let arguments = QemuArgs {
            machine: match self.machine {
                MachineOption::Pc => Machine::Pc,
                MachineOption::Q35 => Machine::Q35,
            },
            style: match self.style {
                StyleOption::Legacy => Style::Legacy,
                StyleOption::Json => Style::Json,
            },
            model: self.kind.model(),
            role: self.kind.role(),
            slot: self.slot,
        };
        let arguments = arguments
            .render(&region)
            .map_err(|error| Failure { code: exit::REFUSED, message: error.to_string() })?;
        Ok(arguments.join(" ") + "\n")
    }
}
