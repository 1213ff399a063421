//! The check `region-label`: whether what confines QEMU lets it open the region, whatever the file's mode.

use super::region_file::{Found, RegionFile};
use super::{AppArmorRule, CheckLine, LibvirtHost, Root, SelinuxLabel, apparmor, label, qemu_conf, selinux};
use crate::Shmem;

const CHECK: &str = "region-label";

/// Whether SELinux or AppArmor stands between QEMU and the region.
pub(super) fn line(root: &Root, region: &Shmem, file: &RegionFile, libvirts: &[LibvirtHost]) -> CheckLine {
    if qemu_conf::value(root, "security_driver").as_deref() == Some("none") {
        return CheckLine::ok(
            CHECK,
            "libvirt confines no QEMU: security_driver is \"none\" in /etc/libvirt/qemu.conf",
        );
    }
    if let Some(enforcing) = selinux::enforcing(root) {
        let line = match &file.found {
            Found::Regular(_) => of_label(region, label::label(&file.place)),
            Found::Missing => of_rule(root, region),
            Found::Other { .. } | Found::Unreadable(_) => {
                CheckLine::unknown(CHECK, "not looked at, because region-file is not as it should be")
            }
        };
        return if enforcing { line } else { permitted(line) };
    }
    if apparmor::confines(root) {
        return of_apparmor(root, region, libvirts);
    }
    CheckLine::ok(CHECK, "neither SELinux nor AppArmor confines QEMU here")
}

/// A permissive SELinux refuses nothing yet.
fn permitted(line: CheckLine) -> CheckLine {
    match line.next {
        Some(next) => {
            CheckLine::pending(CHECK, format!("{}; SELinux is permissive and lets it pass", line.says), next)
        }
        None => line,
    }
}

fn of_label(region: &Shmem, label: Option<String>) -> CheckLine {
    let path = region.path();
    let Some(label) = label else {
        return CheckLine::unknown(CHECK, format!("{path} has no SELinux label that can be read"));
    };
    // user:role:type:level, and the level has colons of its own where there are categories.
    let mut parts = label.splitn(4, ':').skip(2);
    let (kind, level) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let next = format!("ivring-vm-config host selinux --name {} --install", region.name());
    if kind != selinux::TYPE {
        let says =
            format!("{path} has the label {label}: SELinux refuses QEMU everything but {}", selinux::TYPE);
        CheckLine::failed(CHECK, says, next)
    } else if level.contains(':') {
        let says = format!(
            "{path} has the label {label}, of the domain that came first: SELinux refuses all others"
        );
        CheckLine::failed(CHECK, says, next)
    } else {
        CheckLine::ok(CHECK, format!("{path} has the label {label}, which is open to every domain"))
    }
}

fn of_rule(root: &Root, region: &Shmem) -> CheckLine {
    let path = region.path();
    if SelinuxLabel::new(region).is_known(root) {
        return CheckLine::ok(CHECK, format!("SELinux has a rule for {path}, which will be labelled by it"));
    }
    CheckLine::pending(
        CHECK,
        format!("SELinux is on and has no rule for {path}: a file there would be closed to QEMU"),
        format!("ivring-vm-config host selinux --name {} --install", region.name()),
    )
}

fn of_apparmor(root: &Root, region: &Shmem, libvirts: &[LibvirtHost]) -> CheckLine {
    let path = region.path();
    if AppArmorRule::new(region).is_there(root) {
        return CheckLine::ok(CHECK, format!("AppArmor is on, and {} lets QEMU open {path}", apparmor::FILE));
    }
    let next = format!("ivring-vm-config host apparmor --name {} --install", region.name());
    match libvirts.iter().find_map(LibvirtHost::version) {
        Some(version) if version >= apparmor::WRITES_RULES => CheckLine::ok(
            CHECK,
            format!("AppArmor is on, and libvirt {version} lets each domain that has the device open {path}"),
        ),
        Some(version) => CheckLine::failed(
            CHECK,
            format!("AppArmor is on, and libvirt {version} is too old to let QEMU open {path} by itself (5.10)"),
            next,
        ),
        None => CheckLine::unknown(
            CHECK,
            format!("AppArmor is on; libvirt since 5.10 lets QEMU open {path}, and this one did not tell its version"),
        )
        .then(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use crate::host::Verdict;

    fn judged(label: &str) -> CheckLine {
        of_label(&Shmem::new("r", Size::SMALLEST).unwrap(), Some(label.to_owned()))
    }

    #[test]
    fn a_label_is_open_to_every_domain_or_names_the_remedy() {
        assert_eq!(judged("system_u:object_r:svirt_tmpfs_t:s0").verdict, Verdict::Ok);
        let of_ones_own = judged("system_u:object_r:svirt_tmpfs_t:s0:c12,c345");
        assert_eq!(of_ones_own.verdict, Verdict::Failed);
        assert!(of_ones_own.says.contains("refuses all others"), "{}", of_ones_own.says);
        let of_the_daemon = judged("system_u:object_r:tmpfs_t:s0");
        assert_eq!(of_the_daemon.verdict, Verdict::Failed);
        assert!(of_the_daemon.says.contains("tmpfs_t:s0: SELinux refuses"), "{}", of_the_daemon.says);
        assert_eq!(of_the_daemon.next.as_deref(), Some("ivring-vm-config host selinux --name r --install"));
        assert_eq!(judged("garbage").verdict, Verdict::Failed);
    }

    #[test]
    fn a_permissive_selinux_is_not_in_the_way() {
        let line = permitted(judged("system_u:object_r:tmpfs_t:s0"));
        assert_eq!(line.verdict, Verdict::Pending);
        assert!(line.says.ends_with("SELinux is permissive and lets it pass"), "{}", line.says);
        assert_eq!(permitted(judged("system_u:object_r:svirt_tmpfs_t:s0")).verdict, Verdict::Ok);
    }
}
