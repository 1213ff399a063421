//! The host's front desk: reads join cells, decides about each request, hands out channels.

use super::HostEnd;
use crate::layout::Geometry;
use crate::memory::Memory;
use crate::session::{
    Admission, Answer, JoinRequest, Refusal, ScannedCells, Text, Uuid, clear_answer, write_answer,
};
use core::time::Duration;

/// Cells are scanned this often.
const SCAN: Duration = Duration::from_millis(2);

/// A request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The request.
    pub request: JoinRequest,
    /// Why.
    pub refusal: Refusal,
}

/// Reads join cells and decides.
#[derive(Debug, Clone)]
pub struct FrontDesk {
    cells: ScannedCells,
    owner: Option<Uuid>,
    next_scan: Duration,
    next_cell: u64,
}

impl FrontDesk {
    /// Opens the desk. `owner` is the only VM that may join, if there is one.
    pub fn open<M: Memory>(memory: &M, geometry: &Geometry, owner: Option<Uuid>) -> Self {
        let cells = ScannedCells::start(memory, geometry);
        FrontDesk { cells, owner, next_scan: Duration::ZERO, next_cell: 0 }
    }

    /// Looks for new requests when a scan is due and acts on each. `ends` are all channels in order. Returns at the first
    /// refusal, so that it can be told; call again until `None`. A scan looks at each of the 16 cells once.
    pub fn serve<M: Memory + Clone>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        ends: &mut [HostEnd<M>],
        now: Duration,
    ) -> Option<Refused> {
        if now < self.next_scan {
            return None;
        }
        while let Some((cell, request)) = self.cells.next(memory, geometry, self.next_cell) {
            self.next_cell = cell + 1;
            let channels = ends.iter().map(HostEnd::channel);
            match Admission::decide(&request, self.owner, 0, channels) {
                Admission::Pending => {}
                Admission::Same(index) => {
                    if let Some(end) = ends.get_mut(index) {
                        end.offer_again();
                    }
                }
                Admission::Refuse(refusal) => {
                    Self::refuse(memory, geometry, cell, &request, refusal);
                    return Some(Refused { request, refusal });
                }
                Admission::Challenge(index) => {
                    if let Some(end) = ends.get_mut(index) {
                        end.challenge(now, cell, request);
                    }
                }
                Admission::Fresh(index) | Admission::Again(index) => {
                    if let Some(at) = geometry.answer(cell) {
                        clear_answer(memory, at, request.nonce);
                    }
                    match ends.get_mut(index) {
                        Some(end) if end.is_changing_hands() => self.cells.look_again(cell),
                        Some(end) => end.offer(now, &request),
                        None => {}
                    }
                }
            }
        }
        self.next_cell = 0;
        self.next_scan = now + SCAN;
        None
    }

    /// Writes a refusal for the request in `cell`.
    pub fn refuse<M: Memory>(
        memory: &M,
        geometry: &Geometry,
        cell: u64,
        request: &JoinRequest,
        refusal: Refusal,
    ) {
        if let Some(at) = geometry.answer(cell) {
            write_answer(memory, at, request.nonce, &Answer { refusal, text: Text::display(&refusal) });
        }
    }
}
