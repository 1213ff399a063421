//! The virtio modules of the guest's kernel: Debian's for virtual machines has none of them built in.

use std::path::Path;

use crate::Error;
use crate::initramfs::GuestFile;
use crate::packages::modules_of;

/// In the order in which they are loaded, below the folder of the kernel's modules: those that a serial port needs first.
const MODULES: [&str; 12] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/char/virtio_console.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
    "net/vmw_vsock/vsock.ko",
    "net/vmw_vsock/vmw_vsock_virtio_transport_common.ko",
    "net/vmw_vsock/vmw_vsock_virtio_transport.ko",
];
/// How many of them a serial port needs.
const SERIAL: usize = 6;

/// The modules of a virtio serial port, in `/lib/modules` of a guest with `kernel`.
///
/// # Errors
///
/// [`Error::Refused`] if the kernel is one without its modules.
pub(crate) fn serial(kernel: &Path) -> Result<Vec<GuestFile>, Error> {
    files(kernel, &MODULES[..SERIAL])
}

/// As [`serial`], with those of network cards and vsock.
pub(crate) fn virtio(kernel: &Path) -> Result<Vec<GuestFile>, Error> {
    files(kernel, &MODULES)
}

fn files(kernel: &Path, modules: &[&str]) -> Result<Vec<GuestFile>, Error> {
    let folder = modules_of(kernel).ok_or_else(|| {
        Error::Refused(format!("the modules of the kernel {} are not beside it", kernel.display()))
    })?;
    let file = |module: &&str| GuestFile {
        source: folder.join(module),
        path: format!("lib/modules/{}.ko", name(module)),
    };
    Ok(modules.iter().map(file).collect())
}

/// The script that loads all of them, for guests of [`Lab::with_virtio`](crate::Lab::with_virtio).
#[must_use]
pub fn load_virtio() -> String {
    let names: Vec<&str> = MODULES.iter().map(|module| name(module)).collect();
    format!("for module in {}; do insmod /lib/modules/$module.ko || exit; done\n", names.join(" "))
}

fn name(module: &str) -> &str {
    let file = module.rsplit('/').next().unwrap_or(module);
    file.trim_end_matches(".ko")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_loaded_after_those_it_needs() {
        let script = load_virtio();
        let place = |module: &str| script.find(&format!(" {module}")).unwrap();
        for (needed, by) in [
            ("virtio_ring", "virtio_console"),
            ("failover", "net_failover"),
            ("net_failover", "virtio_net"),
            ("vsock", "vmw_vsock_virtio_transport_common"),
            ("vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport;"),
        ] {
            assert!(place(needed) < place(by), "{script}");
        }
    }
}
