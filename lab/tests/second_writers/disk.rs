//! Guests with a disk that holds snapshots.

use std::path::Path;
use std::process::Command;

use ivring_lab::{Lab, Plan};
use ivring_vm_config::{QemuArgs, Role, Shmem};

use crate::daemon::run;

/// A plan for a guest that can be saved: its device has the role `master`, so the region is saved with it.
pub fn master(lab: &Lab, name: &str, region: &Shmem) -> Plan {
    let mut plan = lab.plan(name, None);
    let device = QemuArgs { role: Some(Role::Master), ..QemuArgs::default() };
    plan.hardware = device.render(region).expect("the slot is free");
    plan
}

/// Gives a guest a disk, which nothing in it uses: it is where QEMU keeps snapshots.
pub fn add_disk(lab: &Lab, qemu_img: &Path, plan: &mut Plan) {
    let disk = lab.folder().join(format!("{}.qcow2", plan.name));
    let made = run(Command::new(qemu_img).args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("1G"));
    assert_eq!(made.status, Some(0), "{made:?}");
    plan.hardware.extend(["-drive".to_owned(), format!("if=none,format=qcow2,file={}", disk.display())]);
}
