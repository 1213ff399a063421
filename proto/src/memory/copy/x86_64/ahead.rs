//! Lines of cached memory that are asked for before they are written.
//!
//! A line of a ring is written after the other side has read it, so its processor still has it, and a store waits until it
//! has given it up: between two cores of one socket that takes as long as a hundred instructions. The hardware asks ahead
//! for lines that are read in a row, but hardly for lines that are written. Figures are in docs/copies.md.

use core::arch::asm;

/// Bytes of a line of the caches, on every x86-64 processor so far.
const LINE: usize = 64;

/// Asks for the lines that `length` bytes from `place` on touch, to be written.
///
/// Reads and writes nothing, and faults nowhere: any address will do. On processors without the instruction it does nothing.
#[inline]
pub(in super::super::super) fn prefetch_write(place: *const u8, length: usize) {
    if !super::processor::get().prefetch_write {
        return;
    }
    let first = place.addr() % LINE;
    for line in (0..length + first).step_by(LINE) {
        let address = place.wrapping_add(line).wrapping_sub(first);
        // SAFETY: PREFETCHW is a hint: it changes no register, flag or memory and raises no fault (AMD APM volume 3, Intel SDM
        // volume 2), and the processor has it.
        unsafe { asm!("prefetchw byte ptr [{}]", in(reg) address, options(nostack, preserves_flags)) }
    }
}
