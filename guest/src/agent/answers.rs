//! Answers to the host's requests: now, or as soon as there is room in the ring.

use ivring_proto::link::{Status, WaitingAnswers};

use crate::Guest;

/// Answers on their way, in order.
#[derive(Debug, Default)]
pub(super) struct Answers(WaitingAnswers);

impl Answers {
    /// Answers the request `id`. A host that asks for more than it receives loses the rest.
    pub(super) fn give(&mut self, guest: &mut Guest, id: u64, status: Status, payload: Vec<u8>) {
        if self.0.bytes_with(payload.len()).is_none() {
            guest.lose_answers(1);
            return;
        }
        self.0.push(id, status, payload);
        self.retry(guest);
    }

    /// Sends what there is room for; says whether anything went.
    pub(super) fn retry(&mut self, guest: &mut Guest) -> bool {
        let tried = self.0.retry(|id, status, payload| guest.respond(id, status, payload));
        guest.lose_answers(tried.lost);
        tried.moved
    }
}
