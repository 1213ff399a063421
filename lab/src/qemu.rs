//! The command line of QEMU.

use std::path::Path;
use std::process::Command;

use ivring_vm_config::{QemuArgs, Shmem};

use crate::accelerator::Accelerator;

/// A virtual machine as QEMU is asked for it.
#[derive(Debug)]
pub struct Machine<'a> {
    /// What runs the guest's instructions.
    pub accelerator: Accelerator,
    /// The kernel's image.
    pub kernel: &'a Path,
    /// The guest's file system.
    pub initramfs: &'a Path,
    /// Words for the kernel's command line, after those that every guest gets.
    pub append: &'a str,
    /// The SMBIOS UUID.
    pub uuid: &'a str,
    /// The shared region.
    pub shmem: Option<&'a Shmem>,
    /// A file that receives the console.
    pub console: &'a Path,
    /// A socket that takes the second serial port.
    pub shell: &'a Path,
    /// A socket that takes the monitor.
    pub monitor: &'a Path,
    /// More arguments, behind all others.
    pub hardware: &'a [String],
}

impl Machine<'_> {
    /// The command that starts it. QEMU ends when the guest powers off, reboots or panics.
    #[must_use]
    pub fn command(&self, qemu: &Path) -> Command {
        let mut command = Command::new(qemu);
        command
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
                "-machine",
                "pc",
                "-m",
                "512M",
            ])
            .args(self.accelerator.arguments())
            .args(["-uuid", self.uuid])
            .args(["-chardev", &format!("file,id=console,path={},append=on", escaped(self.console))])
            .args(["-serial", "chardev:console"])
            .args(["-chardev", &format!("socket,id=shell,path={}", escaped(self.shell))])
            .args(["-serial", "chardev:shell"])
            .args(["-chardev", &format!("socket,id=monitor,path={}", escaped(self.monitor))])
            .args(["-mon", "chardev=monitor,mode=control"])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &format!("console=ttyS0 panic=-1 quiet no_timer_check {}", self.append)]);
        if let Some(shmem) = self.shmem {
            // The defaults are the machine type above and a slot that is free on it.
            command.args(QemuArgs::default().render(shmem).expect("the machine pc has slot 0x1f free"));
        }
        command.args(self.hardware);
        command
    }
}

/// A path as the value of a QEMU option, where a comma would end it.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
