//! Whether QEMU can give a domain the device at all.

use crate::{Domain, Reason, Refused};

/// The architectures for which QEMU is known to have ivshmem.
const ARCHITECTURES: [&str; 10] =
    ["x86_64", "i686", "aarch64", "armv7l", "ppc", "ppc64", "ppc64le", "riscv64", "riscv32", "loongarch64"];

/// Refuses a domain that cannot have an ivshmem device.
pub(crate) fn check(domain: &Domain<'_>) -> Result<(), Refused> {
    let kind = domain.kind();
    if !matches!(kind, "qemu" | "kvm") {
        return Err(Reason::Kind { kind: kind.to_owned() }.at(domain.root_at()));
    }
    if let Some(arch) = domain.arch()
        && !ARCHITECTURES.contains(&arch)
    {
        return Err(Reason::Arch { arch: arch.to_owned() }.at(domain.machine_at()));
    }
    match domain.machine() {
        Some(machine) if !has_pci(domain.arch(), machine) => {
            Err(Reason::NoPci { machine: machine.to_owned() }.at(domain.machine_at()))
        }
        _ => Ok(()),
    }
}

/// As libvirt has it (`qemuDomainSupportsPCI`): on Arm and RISC-V only the virtual boards have PCI, and one old one.
fn has_pci(arch: Option<&str>, machine: &str) -> bool {
    match arch {
        Some("aarch64" | "armv7l" | "riscv32" | "riscv64") => {
            machine == "virt" || machine.starts_with("virt-") || machine == "versatilepb"
        }
        _ => !matches!(machine, "isapc" | "microvm" | "none"),
    }
}
