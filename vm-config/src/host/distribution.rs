//! Which distribution the host is, and what its packages are called.

use super::Root;

/// A family of distributions that share their packages' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distribution {
    /// Debian, Ubuntu and what comes of them.
    Debian,
    /// Fedora.
    Fedora,
    /// RHEL and its rebuilds, whose own QEMU has no ivshmem.
    RedHat,
    /// SLES and openSUSE.
    Suse,
    /// Arch Linux.
    Arch,
    /// Any other.
    Other,
}

/// What may be missing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Package {
    /// libvirt's client programs.
    Virsh,
    /// QEMU for the host's architecture.
    Qemu,
    /// What keeps SELinux's labels of files.
    Semanage,
}

impl Distribution {
    /// The distribution by os-release(5): its own name first, then those that it is like.
    pub(super) fn of(root: &Root) -> Self {
        let text =
            root.read("/etc/os-release").or_else(|_| root.read("/usr/lib/os-release")).unwrap_or_default();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned()).unwrap_or_default()
        };
        let names = format!("{} {}", value("ID"), value("ID_LIKE"));
        names.split_whitespace().find_map(Self::called).unwrap_or(Self::Other)
    }

    fn called(name: &str) -> Option<Self> {
        Some(match name {
            "debian" | "ubuntu" => Self::Debian,
            "fedora" => Self::Fedora,
            "rhel" | "centos" | "rocky" | "almalinux" | "ol" => Self::RedHat,
            "suse" | "opensuse" | "sles" => Self::Suse,
            "arch" => Self::Arch,
            _ => return None,
        })
    }

    /// The command that installs `package`.
    pub(super) fn installs(self, package: Package) -> String {
        let (manager, name) = match (self, package) {
            (Self::Debian, Package::Virsh) => ("apt install", "libvirt-clients"),
            (Self::Debian, Package::Qemu) => ("apt install", "qemu-system"),
            (Self::Debian, Package::Semanage) => ("apt install", "policycoreutils-python-utils"),
            (Self::Fedora | Self::RedHat, Package::Virsh) => ("dnf install", "libvirt-client"),
            (Self::Fedora | Self::RedHat, Package::Qemu) => ("dnf install", "qemu-kvm"),
            (Self::Fedora | Self::RedHat, Package::Semanage) => {
                ("dnf install", "policycoreutils-python-utils")
            }
            (Self::Suse, Package::Virsh) => ("zypper install", "libvirt-client"),
            (Self::Suse, Package::Qemu) => ("zypper install", "qemu"),
            (Self::Suse, Package::Semanage) => ("zypper install", "policycoreutils-python-utils"),
            (Self::Arch, Package::Virsh) => ("pacman -S", "libvirt"),
            (Self::Arch, Package::Qemu) => ("pacman -S", "qemu-base"),
            (_, Package::Virsh) => ("install", "the package that has virsh"),
            (_, Package::Qemu) => ("install", "the package that has QEMU for this architecture"),
            (_, Package::Semanage) => ("install", "the package that has semanage"),
        };
        format!("{manager} {name}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of(text: &str) -> Distribution {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/os-release"), text).unwrap();
        Distribution::of(&Root::below(folder.path()))
    }

    #[test]
    fn a_distribution_is_found_by_its_name_or_by_what_it_is_like() {
        assert_eq!(of("ID=debian\n"), Distribution::Debian);
        assert_eq!(of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Distribution::Debian);
        assert_eq!(of("ID=fedora\n"), Distribution::Fedora);
        assert_eq!(of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Distribution::RedHat);
        assert_eq!(of("ID=eurolinux\nID_LIKE=\"rhel fedora\"\n"), Distribution::RedHat);
        assert_eq!(of("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"), Distribution::Suse);
        assert_eq!(of("ID=manjaro\nID_LIKE=arch\n"), Distribution::Arch);
        assert_eq!(of("ID=nixos\n"), Distribution::Other);
    }

    #[test]
    fn each_has_a_command_for_each_package() {
        assert_eq!(Distribution::Debian.installs(Package::Virsh), "apt install libvirt-clients");
        assert_eq!(
            Distribution::Fedora.installs(Package::Semanage),
            "dnf install policycoreutils-python-utils"
        );
        assert_eq!(Distribution::Arch.installs(Package::Qemu), "pacman -S qemu-base");
        assert_eq!(Distribution::Arch.installs(Package::Semanage), "install the package that has semanage");
        assert_eq!(Distribution::Other.installs(Package::Virsh), "install the package that has virsh");
    }
}
