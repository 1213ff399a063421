//! A snapshot of one guest is put back, and with it the region that all of them share.

use ivring_lab::disks_or_skip;

use crate::agent::wait_until_attached;
use crate::daemon::Daemon;
use crate::disk::plan_with_disk;
use crate::setup::lab;

const SNAPSHOT: &str = "before";

#[test]
fn a_region_that_goes_back_with_a_guest_is_found_by_all_and_everybody_joins_anew() {
    let test = "reverted";
    let (Some(lab), Some(qemu_img)) = (lab(test), disks_or_skip(test)) else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", &region.path()]);
    let mut master = plan_with_disk(&lab, &qemu_img, "db1", &region);
    master.agent = Some("run".to_owned());
    let mut other = lab.plan("web1", Some(&region));
    other.agent = Some("run".to_owned());
    let mut guests = lab.boot(&[master, other]).expect("they boot");
    for guest in &mut guests {
        wait_until_attached(guest);
    }
    let t = std::time::Instant::now();
    guests[0].save(SNAPSHOT).expect("a master can be saved");
    eprintln!("saved {:?}", t.elapsed());
    daemon.assert_answers("web1");
    daemon.assert_answers("db1");
    let t = std::time::Instant::now();
    guests[0].revert(SNAPSHOT).expect("a snapshot can be put back");
    eprintln!("reverted {:?}", t.elapsed());
    daemon.wait_for_line(&["somebody else writes here"]);
    daemon.wait_for_line(&["its guests join anew"]);
    daemon.wait_for_guest("web1", "attached");
    daemon.wait_for_guest("db1", "attached");
    daemon.assert_answers("web1");
    daemon.assert_answers("db1");
    eprintln!("{}", daemon.log());
}
