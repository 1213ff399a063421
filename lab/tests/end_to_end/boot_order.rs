//! What a host's boot may come to: the region is there, empty, before both; then either opens it first.
//!
//! That the daemon comes first, or the guest with no file at all, is in the other tests.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ivring_vm_config::Shmem;

use crate::agent::{wait_for_status, wait_until_attached};
use crate::daemon::Daemon;
use crate::setup::lab;

/// Makes the file as a line of tmpfiles.d(5) does; its inode.
fn made_at_boot(region: &Shmem) -> u64 {
    let file = File::create_new(region.path()).expect("nobody else uses the name");
    file.set_permissions(Permissions::from_mode(0o660)).expect("it is ours");
    file.metadata().expect("it is open").ino()
}

#[test]
fn an_empty_region_made_at_boot_serves_whoever_comes_first() {
    let Some(lab) = lab("boot-order") else { return };
    let size = "8M".parse().expect("a power of two");
    let regions = [(); 2].map(|()| lab.region(size).expect("a name is found"));
    let inodes = regions.each_ref().map(made_at_boot);
    let mut plans = [lab.plan("web1", Some(&regions[0])), lab.plan("web2", Some(&regions[1]))];
    for plan in &mut plans {
        plan.agent = Some("run".to_owned());
    }

    // The guest before the daemon: QEMU gives the file its size, and the agent waits.
    let mut first = lab.boot(&plans[..1]).expect("it boots").remove(0);
    wait_for_status(&mut first, "waits for the region", |status| {
        status["reason"].as_str().is_some_and(|reason| reason.contains("not formatted yet"))
    });
    let names = regions.each_ref().map(Shmem::name);
    let daemon = Daemon::start(&lab, &["--region", names[0], "--region", names[1]]);
    wait_until_attached(&mut first);
    // The daemon before the guest.
    let mut second = lab.boot(&plans[1..]).expect("it boots").remove(0);
    wait_until_attached(&mut second);

    for (plan, (region, inode)) in plans.iter().zip(regions.iter().zip(inodes)) {
        daemon.assert_answers_soon(&plan.name);
        assert_eq!(daemon.wait_for_guest(&plan.name, "attached")["region"], region.name());
        let file = fs::metadata(region.path()).expect("it is there");
        assert_eq!(
            (file.ino(), file.mode() & 0o7777, file.len()),
            (inode, 0o660, 8 << 20),
            "{}",
            region.name()
        );
    }
}
