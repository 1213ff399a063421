//! How a host finds requests to join.

use super::{JoinRequest, read_request};
use crate::layout::{Geometry, cell_word};
use crate::memory::Memory;

/// Finds requests in the join cells that are new and alive.
///
/// A request that stood there before this host looked for the first time may be of a guest long gone; it counts once
/// its attempt changes, which a waiting guest sees to several times a second.
#[derive(Debug, Clone)]
pub struct ScannedCells {
    known: [u64; COUNT],
}

const COUNT: usize = 16;
const _: () = assert!(COUNT as u64 == cell_word::COUNT);

impl ScannedCells {
    /// Takes note of what stands in the cells already.
    pub fn start<M: Memory>(memory: &M, geometry: &Geometry) -> Self {
        let mut known = [0; COUNT];
        for (known, index) in known.iter_mut().zip(0..) {
            *known = geometry.cell(index).map_or(0, |cell| memory.load(cell + cell_word::ATTEMPT));
        }
        ScannedCells { known }
    }

    /// Takes the request in a cell for new at the next look: nothing could be decided about it yet.
    pub fn look_again(&mut self, cell: u64) {
        // No request has the attempt 0.
        if let Some(known) = usize::try_from(cell).ok().and_then(|cell| self.known.get_mut(cell)) {
            *known = 0;
        }
    }

    /// The next new request at or after cell `from`, with its cell's number. A full scan is at most 16 cells.
    pub fn next<M: Memory>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        from: u64,
    ) -> Option<(u64, JoinRequest)> {
        let start = usize::try_from(from).unwrap_or(COUNT);
        for (known, index) in self.known.iter_mut().zip(0..).skip(start) {
            let Some(cell) = geometry.cell(index) else { continue };
            if memory.load(cell + cell_word::ATTEMPT) == *known {
                continue;
            }
            if let Some(request) = read_request(memory, cell) {
                *known = request.attempt;
                return Some((index, request));
            }
        }
        None
    }
}
