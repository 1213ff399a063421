//! Whether this host can give its virtual machines a region, and what to do where it cannot.
//!
//! [`HostCheck`] looks at `/dev/shm`, the region's file, who may open it, what confines QEMU, the QEMUs themselves and
//! libvirt, and tells a [`CheckLine`] of each. [`Tmpfiles`], [`AppArmorRule`] and [`SelinuxLabel`] are the remedies that
//! are more than a command. Everything is read below a [`Root`], and nothing but an `install` writes.

mod account;
mod apparmor;
mod bytes;
mod confinement;
mod distribution;
mod install;
mod kvm;
mod label;
mod libvirt_guests;
mod libvirt_host;
mod line;
mod opener;
mod qemu;
mod qemu_conf;
mod region_file;
mod room;
mod root;
mod selinux;
mod shm_mount;
mod tmpfiles;

use crate::{Shmem, Size};
use opener::Openers;
use region_file::RegionFile;

pub use apparmor::AppArmorRule;
pub use install::{InstallError, Installed};
pub use libvirt_host::LibvirtHost;
pub use line::{CheckLine, Verdict};
pub use root::Root;
pub use selinux::SelinuxLabel;
pub use tmpfiles::Tmpfiles;

/// What is asked of a host.
#[derive(Debug)]
pub struct HostCheck<'a> {
    /// Where the host's files are.
    pub root: &'a Root,
    /// The regions; what they say of a size does not matter.
    pub regions: &'a [Shmem],
    /// The size that the regions are to have; without one any will do that a region can have.
    pub size: Option<Size>,
    /// What was heard from the libvirts of the host.
    pub libvirts: &'a [LibvirtHost],
}

impl HostCheck<'_> {
    /// A line for each thing that was looked at, in the order in which one rests on the other. Blocks while each QEMU that
    /// is found is asked for its devices.
    #[must_use]
    pub fn lines(&self) -> Vec<CheckLine> {
        let mut lines = vec![shm_mount::line(self.root)];
        let openers = Openers::of(self.root, self.libvirts);
        for region in self.regions {
            let file = RegionFile::look(self.root, region);
            lines.extend(file.lines(self.size, &openers));
            lines.push(room::line(self.root, &file, self.size));
            lines.push(confinement::line(self.root, region, &file, self.libvirts));
        }
        lines.push(kvm::line(self.root));
        lines.extend(qemu::lines(self.root, self.libvirts));
        lines.extend(self.libvirts.iter().map(|libvirt| libvirt.line(self.root)));
        lines.push(libvirt_guests::line(self.root));
        lines
    }
}
