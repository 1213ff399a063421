//! The checks of the region's file.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;

use ivring_vm_config::host::Verdict;
use nix::sys::stat::Mode;

use crate::fixture::Host;

const REMEDY: &str = "chown ivring:kvm /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3";

#[test]
fn a_region_as_it_should_be_passes() {
    let mut host = Host::new();
    host.size = Some("1M".parse().unwrap());
    host.finds("region-file", Verdict::Ok, "/dev/shm/fg_i3 is a regular file", None);
    host.finds("region-size", Verdict::Ok, "has 1 MiB, for devices of --size 1M", None);
    host.finds("region-mode", Verdict::Ok, "is of ivring:kvm, mode 0660", None);
    host.finds("region-qemu", Verdict::Ok, "libvirt-qemu (groups kvm) may read and write", None);
    host.finds("region-daemon", Verdict::Ok, "ivring (groups others, kvm) may read and write", None);
    host.finds("region-allocation", Verdict::Ok, "all 1 MiB of it are allocated", None);
}

#[test]
fn region_file_may_be_made_later() {
    let host = Host::new().without_region();
    let next = "ivring-vm-config host tmpfiles --name fg_i3 --install";
    host.finds("region-file", Verdict::Pending, "/dev/shm/fg_i3 is not there yet", Some(next));
    for check in ["region-size", "region-mode", "region-qemu", "region-daemon"] {
        host.finds(check, Verdict::Unknown, "there is no file yet", None);
    }
}

#[test]
fn region_file_is_no_link() {
    let host = Host::new().without_region();
    host.link("/nowhere/at/all", "/dev/shm/fg_i3");
    let says = "a symbolic link to /nowhere/at/all, where nothing is: QEMU spins on it and virsh start hangs";
    host.fails("region-file", says, "rm /dev/shm/fg_i3");
    for check in ["region-size", "region-mode", "region-qemu", "region-daemon", "region-allocation"] {
        let line = host.line(check);
        assert_eq!(line.verdict, Verdict::Unknown);
        assert!(line.says.contains("because region-file"), "{}", line.says);
    }
    let host = Host::new().without_region();
    host.write("/dev/shm/other", "");
    host.link("other", "/dev/shm/fg_i3");
    host.fails("region-file", "a symbolic link to other: ivringd follows none", "rm /dev/shm/fg_i3");
}

#[test]
fn region_file_is_no_folder_fifo_or_socket() {
    let host = Host::new().without_region();
    fs::create_dir(host.region()).unwrap();
    host.fails("region-file", "is a directory: where QEMU may write to it", "rmdir /dev/shm/fg_i3");

    let host = Host::new().without_region();
    nix::unistd::mkfifo(&host.region(), Mode::S_IRWXU).unwrap();
    host.fails("region-file", "is a FIFO, not a regular file", "rm /dev/shm/fg_i3");

    let host = Host::new().without_region();
    let _socket = UnixListener::bind(host.region()).unwrap();
    host.fails("region-file", "is a socket, not a regular file", "rm /dev/shm/fg_i3");
}

#[test]
fn region_size_is_one_that_a_region_can_have() {
    let host = Host::new();
    host.length(0);
    host.finds("region-size", Verdict::Ok, "is empty: who comes first gives it its size", None);
    host.finds("region-allocation", Verdict::Ok, "nothing is allocated yet", None);
    host.length(3 << 20);
    host.fails("region-size", "3145728 bytes is no power of two", "rm /dev/shm/fg_i3");
    host.length(4096);
    host.fails("region-size", "4096 bytes is too small", "rm /dev/shm/fg_i3");
}

#[test]
fn region_size_is_that_of_the_device() {
    let mut host = Host::new();
    host.length(2 << 20);
    host.finds("region-size", Verdict::Ok, "has 2 MiB, for devices of --size 2M", None);
    host.size = Some("4M".parse().unwrap());
    host.fails(
        "region-size",
        "backing store size 0x200000 does not match 'size' option 0x400000",
        "ivringd --reformat --region fg_i3 --size 4M",
    );
    host.size = Some("1M".parse().unwrap());
    host.fails(
        "region-size",
        "has 2 MiB, more than --size 1M: QEMU takes it, and its guest sees the first part only",
        "ivringd --reformat --region fg_i3 --size 1M",
    );
}

#[test]
fn region_mode_keeps_others_out() {
    let host = Host::new();
    host.mode(0o666);
    let says = "ivring:kvm, mode 0666: every user of this host may write to it";
    host.finds("region-mode", Verdict::Pending, says, Some("chmod o-rwx /dev/shm/fg_i3"));
}

#[test]
fn region_mode_has_an_owner_who_is_known() {
    let host = Host::new();
    host.accounts("me", "libvirt-qemu", "kvm");
    if nix::unistd::getuid().is_root() {
        // Root is no stranger anywhere.
        host.finds("region-mode", Verdict::Ok, "is of me:kvm", None);
        chown(host.region(), Some(64_002), None).unwrap();
    }
    let says = ":kvm, mode 0660, who is neither ivringd nor QEMU, and may cut it under them";
    let next = "chown root:kvm /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3";
    host.finds("region-mode", Verdict::Pending, says, Some(next));
    let host = Host::new();
    host.accounts("libvirt-qemu", "ivring", "kvm");
    host.finds("region-mode", Verdict::Ok, "is of libvirt-qemu:kvm", None);
}

#[test]
fn region_qemu_may_open_it() {
    let host = Host::new();
    host.mode(0o600);
    let says = "libvirt-qemu (groups kvm) may not read and write /dev/shm/fg_i3 of ivring:kvm, mode 0600";
    host.fails("region-qemu", says, REMEDY);
    // Where there is no service.
    host.accounts("root", "libvirt-qemu", "kvm");
    host.fails(
        "region-qemu",
        "of root:kvm, mode 0600",
        "chown root:kvm /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3",
    );
}

#[test]
fn region_qemu_is_whom_qemu_conf_names() {
    let host = Host::new();
    let says = "has QEMU run as the user nobody-such, and there is none";
    host.write("/etc/libvirt/qemu.conf", "#user = \"ivring\"\nuser = \"nobody-such\"\n");
    host.finds("region-qemu", Verdict::Unknown, says, None);
    host.write("/etc/libvirt/qemu.conf", "user = \"stranger\"\n");
    host.fails(
        "region-qemu",
        "stranger (groups others) may not",
        "chown ivring:others /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3",
    );
    host.write("/etc/libvirt/qemu.conf", "user = \"stranger\"\ngroup = \"kvm\"\n");
    host.finds("region-qemu", Verdict::Ok, "stranger (groups others, kvm) may read and write", None);
    host.accounts("ivring", "somebody", "kvm");
    host.write("/etc/libvirt/qemu.conf", "");
    host.finds("region-qemu", Verdict::Unknown, "there is no user libvirt-qemu or qemu", None);
}

#[test]
fn region_qemu_is_called_qemu_on_other_distributions() {
    let host = Host::new();
    host.accounts("ivring", "qemu", "qemu");
    host.finds("region-qemu", Verdict::Ok, "qemu (groups qemu) may read and write", None);
    host.mode(0o640);
    let next = "chown ivring:qemu /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3";
    host.fails("region-qemu", "qemu (groups qemu) may not read and write", next);
}

#[test]
fn region_qemu_of_a_session_is_its_user() {
    let mut host = Host::new();
    host.mode(0o600);
    host.fails("region-qemu", "libvirt-qemu (groups kvm) may not", REMEDY);
    // The file is of the test's own user.
    host.uri = "qemu:///session";
    host.accounts("me", "libvirt-qemu", "kvm");
    host.finds("region-qemu", Verdict::Ok, "may read and write /dev/shm/fg_i3", None);
    assert!(host.line("region-qemu").says.starts_with("me (groups "));
}

#[test]
fn region_daemon_may_open_it() {
    let host = Host::new();
    // The file is QEMU's, as it makes it when it comes first.
    host.accounts("libvirt-qemu", "ivring", "kvm");
    host.mode(0o644);
    let says = "ivring (groups kvm) may not read and write /dev/shm/fg_i3 of libvirt-qemu:kvm, mode 0644: \
                ivringd.service cannot serve it";
    host.fails("region-daemon", says, "chown ivring:others /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3");
    host.mode(0o660);
    host.finds("region-daemon", Verdict::Ok, "may read and write", None);
    host.accounts("me", "libvirt-qemu", "kvm");
    host.mode(0o660);
    host.finds("region-daemon", Verdict::Ok, "there is no user ivring, so ivringd runs as root", None);
    // The unit adds the group kvm to those of the account.
    let passwd = host.read("/etc/passwd").replace("stranger:", "ivring:");
    host.write("/etc/passwd", &passwd);
    host.finds("region-daemon", Verdict::Ok, "ivring (groups others, kvm) may read and write", None);
    host.write("/etc/group", &host.read("/etc/group").replace("kvm:", "qemu:"));
    let says = "ivring (groups others) may not read and write /dev/shm/fg_i3 of me:qemu, mode 0660";
    host.fails("region-daemon", says, "chown ivring:qemu /dev/shm/fg_i3 && chmod 0660 /dev/shm/fg_i3");
}

#[test]
fn region_allocation_of_a_hole_needs_room() {
    let mut host = Host::new();
    host.length(2 << 20);
    host.finds(
        "region-allocation",
        Verdict::Ok,
        "1 MiB of 2 MiB are allocated; there is room for the rest",
        None,
    );
    // No file system has so much.
    host.size = Some("4194304G".parse().unwrap());
    let line = host.line("region-allocation");
    assert_eq!(line.verdict, Verdict::Failed);
    assert!(line.says.contains("1 MiB of 4294967296 MiB are allocated, and /dev/shm has "), "{}", line.says);
    assert!(line.next.unwrap().starts_with("mount -o remount,size="));
}
