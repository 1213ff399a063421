//! Domains that have the device and do not run with it, or have lost it.

use crate::machine::{Place, domain};

#[test]
fn case_43_a_saved_state_without_the_device() {
    let Some(place) = Place::new("case_43_a_saved_state_without_the_device") else { return };
    let region = place.region();
    place.define(&[domain("pc", "pc", "")]);
    place.libvirt.virsh(&["start pc; managedsave pc"], "").expect("it is saved");
    let options = ["--all", "--name", &region, "--size", "1M"];
    let apply = [&["apply"][..], &options].concat();
    let status = [&["status"][..], &options].concat();
    for arguments in [&apply, &status] {
        let rows = place.rows(6, arguments);
        assert_eq!((rows.texts("state"), rows.texts("waiting")), (vec!["pending"], vec!["saved-state"]));
    }
    let saved = place.libvirt.virsh(&["list", "--all", "--with-managed-save", "--name"], "");
    assert_eq!(saved.expect("it answers").trim(), "pc", "it is not thrown away");
    place.start(&["pc"]);
    assert_eq!(place.running("pc", &region), "none");
    assert_eq!(place.rows(6, &status).texts("waiting"), ["cold-start"]);
    place.destroy("pc");
    place.exits(0, &status);
    // And now libvirt refuses to save it.
    place.start(&["pc"]);
    let refused = place.virsh(&["managedsave", "pc"], "");
    assert!(refused.stderr.contains("ivshmem"), "{refused:?}");
}

#[test]
fn case_44_a_snapshot_from_before() {
    let Some(place) = Place::new("case_44_a_snapshot_from_before") else { return };
    place.define(&[domain("pc", "pc", "")]);
    // As if it had been taken then: libvirt takes none of a domain without disks, and goes back to it all the same.
    let snapshot = format!(
        "<domainsnapshot><name>before</name><state>shutoff</state><creationTime>1</creationTime>{}</domainsnapshot>",
        place.libvirt.config("pc").expect("it is there")
    );
    place
        .libvirt
        .virsh(&["snapshot-create", "pc", "/dev/stdin", "--redefine"], &snapshot)
        .expect("it is taken");
    place.exits(0, &["apply", "--all"]);
    place.libvirt.virsh(&["snapshot-revert", "pc", "before"], "").expect("it goes back");
    assert_eq!(place.rows(1, &["status"]).texts("state"), ["missing"]);
    place.exits(0, &["apply", "--all"]);
    assert_eq!(place.configured("pc", "fg_i3"), "00:1f.0");
}
