//! The daemon's heartbeat, as it stands in a region.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use ivring_proto::layout::{PAGE, status_word};

use crate::setup::wait_for;

/// Where it is: in the status page, the second one.
const AT: u64 = PAGE + status_word::HEARTBEAT;

/// The heartbeat as it is now.
pub fn read(region: &str) -> [u8; 8] {
    let mut word = [0; 8];
    File::open(region).and_then(|file| file.read_exact_at(&mut word, AT)).expect("the region is there");
    word
}

/// Waits until it is another than `before`. The daemon beats within 20 ms of what it did last, and each second: a copy of the
/// region that is put back before that differs in nothing by which the daemon could tell it from the present.
pub fn wait_for_another(region: &str, before: [u8; 8]) {
    wait_for("a beat of the daemon", || (read(region) != before).then_some(()));
}
