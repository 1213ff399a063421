//! Answers to the host's requests that wait for room in the ring.

use std::collections::VecDeque;

use ivring_proto::link::{SendError, Status};

use crate::Guest;

/// Bytes of answers that may wait. A host that asks for more than it receives loses the rest.
const MOST: usize = 1 << 20;

#[derive(Debug)]
struct Answer {
    id: u64,
    status: Status,
    payload: Vec<u8>,
}

/// Answers on their way, in order.
#[derive(Debug, Default)]
pub(super) struct Answers {
    waiting: VecDeque<Answer>,
    bytes: usize,
    lost: u64,
}

impl Answers {
    /// Answers the request `id` now or as soon as there is room.
    pub(super) fn give(&mut self, guest: &mut Guest, id: u64, status: Status, payload: Vec<u8>) {
        // One byte is counted for each, so that empty ones are bounded, too.
        if self.bytes + payload.len() >= MOST && !self.waiting.is_empty() {
            self.lost += 1;
            return;
        }
        self.bytes += payload.len() + 1;
        self.waiting.push_back(Answer { id, status, payload });
        self.retry(guest);
    }

    /// Sends what there is room for; says whether anything went.
    pub(super) fn retry(&mut self, guest: &mut Guest) -> bool {
        let mut moved = false;
        while let Some(Answer { id, status, payload }) = self.waiting.front() {
            match guest.respond(*id, *status, payload) {
                Ok(()) => {}
                Err(SendError::Full { .. }) => break,
                Err(error @ SendError::TooLarge { .. }) => {
                    // Far shorter than the smallest ring's largest record; there is room, or the host waits in vain.
                    if guest.respond(*id, Status::Failed, error.to_string().as_bytes()).is_err() {
                        self.lost += 1;
                    }
                }
                // No session, nobody who waits for it.
                Err(SendError::NotAttached | SendError::Fault(_)) => self.lost += 1,
            }
            moved = true;
            self.bytes -= payload.len() + 1;
            self.waiting.pop_front();
        }
        moved
    }

    /// Answers that were never given.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}
