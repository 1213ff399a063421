//! Guests with a disk that holds snapshots.

use std::path::Path;
use std::process::Command;

use ivring_lab::{Lab, Plan};
use ivring_vm_config::{QemuArgs, Role, Shmem};

use crate::daemon::run;

/// A plan for a guest that can be saved with the region that it sees: its device has the role `master`.
pub fn plan_with_disk(lab: &Lab, qemu_img: &Path, name: &str, region: &Shmem) -> Plan {
    let mut plan = lab.plan(name, None);
    let disk = lab.folder().join(format!("{name}.qcow2"));
    let made = run(Command::new(qemu_img).args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("1G"));
    assert_eq!(made.status, Some(0), "{made:?}");
    plan.hardware = device(region, Some(Role::Master));
    plan.hardware.extend(["-drive".to_owned(), format!("if=none,format=qcow2,file={}", disk.display())]);
    plan
}

/// QEMU's arguments for the device.
fn device(region: &Shmem, role: Option<Role>) -> Vec<String> {
    QemuArgs { role, ..QemuArgs::default() }.render(region).expect("the slot is free")
}
