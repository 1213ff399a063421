//! How the arguments are written: as QEMU reads them, or as the file that they are pasted into wants them.

use super::Machine;

/// How the arguments are written, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `key=value,...`, which every QEMU reads.
    #[default]
    Legacy,
    /// JSON objects, which `-object` reads since QEMU 6.0 and `-device` since 6.2.
    Json,
    /// The line `args:` of a virtual machine's configuration of Proxmox VE.
    Proxmox,
    /// Lines for the libvirt provider in a Vagrantfile.
    Vagrant,
    /// The element `<qemu:commandline>` of a libvirt domain, for a libvirt that cannot be given `<shmem>`.
    LibvirtCommandline,
}

impl Style {
    /// The slot the device takes if nothing else is asked for.
    ///
    /// Proxmox VE gives every slot of bus 0 to some device, and creates those after the ones of `args:`. So the device takes
    /// what next to no machine has: the place of the fourth SPICE screen on `pc`, on `q35` that of the sixteenth
    /// device passed through to a Windows 7 (`PVE/QemuServer/PCI.pm`).
    pub(super) fn default_slot(self, machine: Machine) -> u8 {
        match (self, machine) {
            (Self::Proxmox, Machine::Pc) => 0x1a,
            (Self::Proxmox, Machine::Q35) => 0x19,
            _ => machine.default_slot(),
        }
    }

    /// Whose slot `slot` of bus 0 is on every such machine, if it is anyone's.
    pub(super) fn owner(self, machine: Machine, slot: u8) -> Option<&'static str> {
        let proxmox = match (machine, slot) {
            (Machine::Pc, 0x1e | 0x1f) => Some("a PCI bridge of Proxmox VE"),
            (Machine::Q35, 0x1a..=0x1e) => Some("a USB controller, the sound or a PCI bridge of Proxmox VE"),
            _ => None,
        };
        machine.owner(slot).or(proxmox.filter(|_| self == Self::Proxmox))
    }

    /// The text for whoever is to read it, ending with the end of a line.
    ///
    /// No argument holds white space, a quote or a character that XML knows: the names of regions have none.
    pub(super) fn lay_out(self, arguments: &[String]) -> String {
        let lines = |before: &str, after: &str| -> String {
            arguments.iter().map(|argument| format!("{before}{argument}{after}\n")).collect()
        };
        match self {
            Self::Legacy | Self::Json => arguments.join(" ") + "\n",
            Self::Proxmox => format!("args: {}\n", arguments.join(" ")),
            Self::Vagrant => lines("libvirt.qemuargs :value => '", "'"),
            Self::LibvirtCommandline => format!(
                "<qemu:commandline xmlns:qemu='{NAMESPACE}'>\n{}</qemu:commandline>\n",
                lines("  <qemu:arg value='", "'/>")
            ),
        }
    }
}

/// What libvirt knows its elements for QEMU's command line by.
const NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";
