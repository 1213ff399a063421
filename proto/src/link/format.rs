//! Makes a region of memory that nobody uses.

use super::HostEnd;
use crate::layout::{PAGE, RegionState, Superblock, write_state, write_superblock};
use crate::memory::Memory;

/// Formats a region (docs/protocol.md §2.4): INIT, the superblock, everything before the rings zeroed, where each channel
/// begins, READY. Only the host calls it, holding the region's lock, and only while no guest uses the region.
///
/// What is in the rings stays: both sides zero a header before they use it.
pub fn format_region<M: Memory + Clone>(memory: &M, superblock: &Superblock) {
    write_superblock(memory, superblock);
    let geometry = &superblock.geometry;
    // A file that QEMU made is all zero, but an earlier try to format it may have ended half-way.
    for at in (PAGE..geometry.rings()).step_by(8) {
        memory.store(at, 0);
    }
    for place in (0..geometry.channels()).filter_map(|index| geometry.channel(index)) {
        HostEnd::format(memory, &place);
    }
    write_state(memory, RegionState::Ready, "");
}
