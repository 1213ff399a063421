//! The check `shm-mount`: whether `/dev/shm` is what every process sees as the same.

use std::fs;

use super::bytes::about;
use super::room::Room;
use super::{CheckLine, Root};

const CHECK: &str = "shm-mount";
const FOLDER: &str = "/dev/shm";

/// Whether `/dev/shm` is a tmpfs and a mount of its own. libvirt gives each QEMU a `/dev` of its own and carries what is
/// mounted below `/dev` over, so a plain folder or a link there would be another one for QEMU.
pub(super) fn line(root: &Root) -> CheckLine {
    let folder = root.path(FOLDER);
    if let Ok(target) = fs::read_link(&folder) {
        let says = format!(
            "{FOLDER} is a link to {}: QEMU under libvirt has a /dev of its own, where the link is not",
            target.display()
        );
        return CheckLine::failed(CHECK, says, format!("rm {FOLDER} && mkdir {FOLDER} && {MOUNT}"));
    }
    let mounts = match root.read("/proc/self/mountinfo") {
        Ok(mounts) => mounts,
        Err(error) => {
            return CheckLine::unknown(CHECK, format!("/proc/self/mountinfo cannot be read: {error}"));
        }
    };
    match file_system(&mounts) {
        None => CheckLine::failed(
            CHECK,
            format!("{FOLDER} is no mount of its own: QEMU under libvirt would see another one"),
            format!("mkdir -p {FOLDER} && {MOUNT}"),
        ),
        Some("tmpfs") => {
            let room = Room::of(&folder).ok().flatten();
            let room = room.map_or_else(
                || "without a limit".to_owned(),
                |room| format!("of {}, {} free", about(room.total), about(room.free)),
            );
            CheckLine::ok(CHECK, format!("{FOLDER} is a tmpfs {room}"))
        }
        Some(other) => CheckLine::failed(
            CHECK,
            format!("{FOLDER} is a file system of the type {other}: regions belong on a tmpfs"),
            format!("umount {FOLDER} && {MOUNT}"),
        ),
    }
}

const MOUNT: &str = "mount -t tmpfs -o mode=1777 tmpfs /dev/shm";

/// The type of what is mounted there, by the text of mountinfo (proc_pid_mountinfo(5)); the last mount covers those before.
fn file_system(mounts: &str) -> Option<&str> {
    mounts.lines().rev().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        (mount.split(' ').nth(4) == Some(FOLDER)).then(|| file_system.split(' ').next()).flatten()
    })
}
