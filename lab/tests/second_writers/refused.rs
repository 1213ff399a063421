//! QEMU refuses to save a guest whose device is a peer, which is the default.

use ivring_lab::disks_or_skip;

use crate::disk::add_disk;
use crate::setup::lab;

/// Where the operator reads of it.
const GUIDE: &str = include_str!("../../../docs/operator-guide.md");

#[test]
fn a_guest_with_the_device_as_it_is_by_default_cannot_be_saved_and_the_guide_has_qemus_words() {
    let test = "savevm-refused";
    let (Some(lab), Some(qemu_img)) = (lab(test), disks_or_skip(test)) else { return };
    let region = lab.region("1M".parse().expect("a power of two")).expect("a name is found");
    let mut plan = lab.plan("web1", Some(&region));
    add_disk(&lab, &qemu_img, &mut plan);
    let mut guests = lab.boot(&[plan]).expect("it boots");
    let refused = guests[0].save("never").expect_err("a peer cannot be saved").to_string();
    let words = refused.trim_start_matches("Error: ");
    assert!(words.starts_with("Migration is disabled"), "{refused}");
    assert!(GUIDE.contains(&format!("`Error: {words}`")), "the guide does not have these words: {refused}");
    // It is as before, and no snapshot was made.
    let path = lab.folder().join("state");
    let refused = guests[0].write_to(&path).expect_err("nor can it be migrated").to_string();
    assert!(refused.contains(words), "{refused}");
    assert_eq!(guests[0].run("true", crate::setup::LIMIT).expect("it goes on").status, 0);
}
