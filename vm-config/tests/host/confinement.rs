//! The check `region-label`, with SELinux and AppArmor that are files.

use ivring_vm_config::host::Verdict;

use crate::fixture::{Host, OLD};

const ENFORCE: &str = "/sys/fs/selinux/enforce";
const LOCAL_RULES: &str = "/etc/selinux/targeted/contexts/files/file_contexts.local";
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";
const LOCAL: &str = "/etc/apparmor.d/local/abstractions/libvirt-qemu";

#[test]
fn region_label_matters_where_something_confines_qemu() {
    let host = Host::new();
    host.finds("region-label", Verdict::Ok, "neither SELinux nor AppArmor confines QEMU here", None);
    host.write(ENFORCE, "1");
    host.write("/etc/libvirt/qemu.conf", "security_driver = \"none\"\n");
    host.finds("region-label", Verdict::Ok, "libvirt confines no QEMU", None);
}

#[test]
fn region_label_of_selinux_comes_from_a_rule() {
    let host = Host::new().without_region();
    host.write(ENFORCE, "1");
    let next = "ivring-vm-config host selinux --name fg_i3 --install";
    host.finds(
        "region-label",
        Verdict::Pending,
        "SELinux is on and has no rule for /dev/shm/fg_i3",
        Some(next),
    );
    host.write(LOCAL_RULES, "# rules\n/dev/shm/fg_i3    system_u:object_r:tmpfs_t:s0\n");
    host.finds("region-label", Verdict::Pending, "has no rule", Some(next));
    host.write(LOCAL_RULES, "/dev/shm/fg_i3    system_u:object_r:svirt_tmpfs_t:s0\n");
    host.finds("region-label", Verdict::Ok, "SELinux has a rule for /dev/shm/fg_i3", None);
}

#[test]
fn region_label_of_selinux_is_read_from_the_file() {
    let host = Host::new();
    host.write(ENFORCE, "1");
    let set = |label: &str| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(host.region(), "security.selinux", label.as_bytes(), flags)
    };
    if set("system_u:object_r:tmpfs_t:s0\0").is_err() {
        // What a label means is tried beside the code, too.
        eprintln!("not root, or SELinux is on: that a file's label is read is not checked");
        return;
    }
    let next = "ivring-vm-config host selinux --name fg_i3 --install";
    host.fails("region-label", "has the label system_u:object_r:tmpfs_t:s0: SELinux refuses QEMU", next);
    set("system_u:object_r:svirt_tmpfs_t:s0:c1,c2").unwrap();
    host.fails("region-label", "of the domain that came first: SELinux refuses all others", next);
    host.write(ENFORCE, "0");
    host.finds("region-label", Verdict::Pending, "SELinux is permissive and lets it pass", Some(next));
    set("system_u:object_r:svirt_tmpfs_t:s0").unwrap();
    host.finds("region-label", Verdict::Ok, "which is open to every domain", None);
}

#[test]
fn region_label_is_unknown_where_there_is_none() {
    let host = Host::new();
    host.write(ENFORCE, "1");
    // A machine with SELinux labels the files of a test, too.
    if host.line("region-label").verdict == Verdict::Unknown {
        host.finds("region-label", Verdict::Unknown, "has no SELinux label that can be read", None);
    }
}

#[test]
fn region_label_of_apparmor_is_libvirt_s_work_since_5_10() {
    let mut host = Host::new();
    host.write(APPARMOR, "Y\n");
    let says = "libvirt 9.0.0 lets each domain that has the device open /dev/shm/fg_i3";
    host.finds("region-label", Verdict::Ok, says, None);
    host.version = OLD;
    let next = "ivring-vm-config host apparmor --name fg_i3 --install";
    host.fails("region-label", "libvirt 5.9.0 is too old to let QEMU open /dev/shm/fg_i3", next);
    host.version = "";
    host.finds("region-label", Verdict::Unknown, "this one did not tell its version", Some(next));
    host.write(LOCAL, "# ours\n  /dev/shm/fg_i3* rw,\n");
    host.version = OLD;
    host.finds("region-label", Verdict::Ok, "lets QEMU open /dev/shm/fg_i3", None);
    host.remove(LOCAL);
    host.write(APPARMOR, "N\n");
    host.finds("region-label", Verdict::Ok, "neither SELinux nor AppArmor", None);
}
