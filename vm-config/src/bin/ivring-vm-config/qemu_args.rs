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
  ivring-vm-config qemu-args --style proxmox --machine q35      a line for /etc/pve/qemu-server/ID.conf
  ivring-vm-config qemu-args --style vagrant                    lines for `config.vm.provider :libvirt do |libvirt|`
  ivring-vm-config qemu-args --style libvirt-commandline        where the XML of a domain cannot have <shmem>

legacy and json: the arguments hold no white space and are not quoted, so put JSON in quotes when you paste it into a shell.
proxmox: a configuration has one line `args:`; where there is one, add what follows the colon to it. Proxmox VE gives every slot
of bus 0 to some device; this takes 0x1a on pc (the fourth SPICE screen's), 0x19 on q35. --slot takes another.
vagrant, libvirt-commandline: libvirt does not know such a device, so `apply` refuses a domain that has it, and `remove` cannot
take it out. A domain has one <qemu:commandline> at most. The device that libvirt knows is what `xml` prints.";

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
    /// For whom the arguments are written
    #[arg(long, value_enum, default_value_t = StyleOption::Legacy)]
    style: StyleOption,
    /// PCI slot on bus 0, 1 to 31 [default: 0x1f for pc, 0x10 for q35; proxmox: 0x1a and 0x19]
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
    /// A command line: key=value, which every QEMU reads
    Legacy,
    /// A command line: JSON, for QEMU 6.2 and newer
    Json,
    /// The line args: of a Proxmox VE machine
    Proxmox,
    /// Lines of a Vagrantfile, for the libvirt provider
    Vagrant,
    /// The element <qemu:commandline> of a libvirt domain
    LibvirtCommandline,
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
                StyleOption::Proxmox => Style::Proxmox,
                StyleOption::Vagrant => Style::Vagrant,
                StyleOption::LibvirtCommandline => Style::LibvirtCommandline,
            },
            model: self.kind.model(),
            role: self.kind.role(),
            slot: self.slot,
        };
        arguments.text(&region).map_err(|error| Failure { code: exit::REFUSED, message: error.to_string() })
    }
}
