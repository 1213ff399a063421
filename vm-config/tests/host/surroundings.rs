//! The checks of what is around the region: its folder, KVM, QEMU, libvirt.

use std::env::consts::ARCH;
use std::fs;

use ivring_vm_config::host::Verdict;

use crate::fixture::{BARE_QEMU, Host};

const MOUNT: &str = "mount -t tmpfs -o mode=1777 tmpfs /dev/shm";

#[test]
fn shm_mount_is_a_mount_of_its_own() {
    let host = Host::new();
    host.finds("shm-mount", Verdict::Ok, "/dev/shm is a tmpfs of ", None);
    host.write(
        "/proc/self/mountinfo",
        "24 1 0:22 / /dev rw - devtmpfs udev rw\n25 1 0:23 / /dev/shm/x rw - tmpfs x rw\n",
    );
    host.fails("shm-mount", "is no mount of its own", &format!("mkdir -p /dev/shm && {MOUNT}"));
    let both =
        "25 24 0:23 / /dev/shm rw shared:4 - tmpfs tmpfs rw\n30 25 8:1 / /dev/shm rw - ext4 /dev/sda1 rw\n";
    host.write("/proc/self/mountinfo", both);
    host.fails(
        "shm-mount",
        "of the type ext4: regions belong on a tmpfs",
        &format!("umount /dev/shm && {MOUNT}"),
    );
    host.remove("/proc/self/mountinfo");
    host.finds("shm-mount", Verdict::Unknown, "/proc/self/mountinfo cannot be read: ", None);
}

#[test]
fn shm_mount_is_no_link() {
    let host = Host::new();
    fs::create_dir(host.root.path("/run")).unwrap();
    fs::rename(host.root.path("/dev/shm"), host.root.path("/run/shm")).unwrap();
    host.link("../run/shm", "/dev/shm");
    host.fails(
        "shm-mount",
        "/dev/shm is a link to ../run/shm",
        &format!("rm /dev/shm && mkdir /dev/shm && {MOUNT}"),
    );
}

#[test]
fn kvm_is_there_or_guests_are_slow() {
    let host = Host::new();
    host.finds("kvm", Verdict::Ok, "/dev/kvm is there", None);
    host.remove("/dev/kvm");
    host.finds(
        "kvm",
        Verdict::Pending,
        "there is no /dev/kvm: QEMU emulates the processor",
        Some("modprobe kvm_amd"),
    );
    host.write("/dev/kvm", "");
    host.write("/proc/cpuinfo", "flags : fpu sse vmx_not\n");
    host.finds(
        "kvm",
        Verdict::Pending,
        "the processor shows no virtualisation",
        Some("grep -cwE 'vmx|svm' /proc/cpuinfo"),
    );
    host.remove("/dev/kvm");
    host.finds("kvm", Verdict::Pending, "there is no /dev/kvm", Some("modprobe kvm_intel"));
    // Arm and others say nothing of it there.
    host.write("/proc/cpuinfo", "Features : fp asimd\n");
    host.write("/dev/kvm", "");
    host.finds("kvm", Verdict::Ok, "/dev/kvm is there", None);
}

#[test]
fn qemu_ivshmem_is_not_in_every_qemu() {
    let usual = format!("/usr/bin/qemu-system-{ARCH}");
    let host = Host::new();
    host.finds("qemu-ivshmem", Verdict::Ok, &format!("{usual} has ivshmem-plain"), None);
    // One program by two names is asked once.
    host.link(&format!("qemu-system-{ARCH}"), "/usr/bin/qemu-kvm");
    host.finds("qemu-ivshmem", Verdict::Ok, &format!("{usual} has ivshmem-plain"), None);
    host.remove("/usr/bin/qemu-kvm");
    host.program(&usual, BARE_QEMU);
    host.fails("qemu-ivshmem", &format!("{usual} is built without ivshmem"), "apt install qemu-system");
    host.program(&usual, "#!/bin/sh\necho 'qemu: oh dear' >&2\nexit 1\n");
    host.finds("qemu-ivshmem", Verdict::Unknown, "does not say whether it has ivshmem: qemu: oh dear", None);
    host.write(&usual, "neither a script nor a program");
    host.finds("qemu-ivshmem", Verdict::Unknown, "does not say whether it has ivshmem", None);
    host.remove(&usual);
    host.fails("qemu-ivshmem", &format!("no QEMU for {ARCH}"), "apt install qemu-system");
}

#[test]
fn qemu_ivshmem_of_rhel_is_another_matter() {
    let host = Host::new();
    host.write("/etc/os-release", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n");
    host.remove(&format!("/usr/bin/qemu-system-{ARCH}"));
    host.program("/usr/libexec/qemu-kvm", BARE_QEMU);
    host.fails(
        "qemu-ivshmem",
        "/usr/libexec/qemu-kvm is built without ivshmem, as RHEL's QEMU is",
        "virsh edit DOMAIN",
    );
}

#[test]
fn qemu_ivshmem_of_libvirt_s_own_emulator_is_asked_for() {
    let mut host = Host::new();
    host.emulator = "/opt/qemu";
    host.program("/opt/qemu", BARE_QEMU);
    let lines: Vec<_> = host.lines().into_iter().filter(|line| line.check == "qemu-ivshmem").collect();
    let verdicts: Vec<Verdict> = lines.iter().map(|line| line.verdict).collect();
    assert_eq!(verdicts, [Verdict::Pending, Verdict::Ok], "{lines:#?}");
    let able = format!("can have <emulator>/usr/bin/qemu-system-{ARCH}</emulator> instead");
    assert!(
        lines[0].says.starts_with("/opt/qemu is built without") && lines[0].says.ends_with(&able),
        "{lines:#?}"
    );
}

#[test]
fn libvirt_tells_its_version() {
    let host = Host::new();
    host.finds("libvirt", Verdict::Ok, "qemu:///system answers, libvirt 9.0.0", None);
}

#[test]
fn libvirt_guests_does_not_save_domains() {
    let host = Host::new();
    host.finds("libvirt-guests", Verdict::Ok, "ON_SHUTDOWN=shutdown (its default)", None);
    let saves = "a shutdown of the host cannot save domains with the device, and ends them hard";
    host.write(
        "/usr/lib/libvirt/libvirt-guests.sh",
        "ON_SHUTDOWN=suspend\nfoo() {\n    ON_SHUTDOWN=\"shutdown\"\n}\n",
    );
    let next = "echo ON_SHUTDOWN=shutdown >>/etc/default/libvirt-guests";
    host.fails("libvirt-guests", &format!("ON_SHUTDOWN=suspend (its default): {saves}"), next);
    // What it says is to be done is what helps.
    host.write("/etc/default/libvirt-guests", "#ON_SHUTDOWN=suspend\nON_SHUTDOWN=shutdown\n");
    host.finds("libvirt-guests", Verdict::Ok, "ON_SHUTDOWN=shutdown (set)", None);
    host.remove("/etc/default/libvirt-guests");
    host.write("/etc/sysconfig/libvirt-guests", "ON_SHUTDOWN=shutdown\nON_SHUTDOWN=\"suspend\" # again\n");
    let next = "echo ON_SHUTDOWN=shutdown >>/etc/sysconfig/libvirt-guests";
    host.fails("libvirt-guests", &format!("ON_SHUTDOWN=suspend (set): {saves}"), next);
    host.remove("/etc/systemd/system/multi-user.target.wants/libvirt-guests.service");
    host.finds("libvirt-guests", Verdict::Ok, "it is not enabled", None);
    host.remove("/usr/lib/libvirt/libvirt-guests.sh");
    host.finds("libvirt-guests", Verdict::Ok, "it is not installed", None);
}
