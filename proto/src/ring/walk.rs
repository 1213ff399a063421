//! Walking the records that are published and not consumed, without consuming them.

use super::{fault::Fault, header::PADDING, lane::Lane, record::Record};
use crate::{layout::RingPlace, memory::Memory};

/// Visits every published record from position `from` on, and returns the position at which they end.
///
/// Every header is checked as a consumer checks it. Takes at most one step for each 8 bytes of the ring and changes
/// nothing. `from` must be the start of a record or the end of the last one.
///
/// # Errors
///
/// A [`Fault`] when a header cannot be right, or when the records are more than the ring can hold.
///
/// # Panics
///
/// When `place` lies outside the memory.
pub fn walk<M: Memory>(
    memory: M,
    place: RingPlace,
    salt: u64,
    from: u64,
    visit: impl FnMut(Record),
) -> Result<u64, Fault> {
    walk_lane(&Lane::new(memory, place, salt), from, visit)
}

pub(super) fn walk_lane<M: Memory>(
    lane: &Lane<M>,
    from: u64,
    mut visit: impl FnMut(Record),
) -> Result<u64, Fault> {
    if !from.is_multiple_of(8) {
        return Err(Fault::Start { position: from });
    }
    let (mut position, mut offset) = (from, lane.offset_of(from));
    // Each step takes 8 bytes or more, and the sum is bounded: so are the steps.
    while let Some(header) = lane.read(position, offset)? {
        let span = header.span();
        let end = position.wrapping_add(span);
        if end.wrapping_sub(from) > lane.limits.full {
            return Err(Fault::Overfull { end, head: from, max: lane.limits.full });
        }
        if header.kind != PADDING {
            visit(Record::new(header, position, false));
        }
        position = end;
        offset = lane.advance(offset, span);
    }
    Ok(position)
}
