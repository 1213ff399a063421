//! Requests to one peer, all of them under way at once.

use std::collections::HashMap;
use std::io;

use super::journal::{End, Journal, Line, What};
use super::message::Message;
use super::side::Side;
use super::work::Work;

/// The topic of requests.
const ASK: &str = "witness.ask";
/// The topic of the message that says that nobody waits any more.
pub(super) const OVER: &str = "witness.over";
/// The longest request in bytes.
const LONGEST: usize = 400;

/// Requests to one peer.
#[derive(Debug, Default)]
pub(super) struct Asking {
    next: u64,
    open: HashMap<u64, Message>,
    /// The peer has been told that all have ended.
    over: bool,
    late: u64,
}

impl Asking {
    /// Sends the next request and notes it; says when all have ended, and how many answers came too late.
    pub(super) fn step(
        &mut self,
        peer: &str,
        work: &Work,
        journal: &mut Journal,
        side: &mut impl Side,
    ) -> io::Result<bool> {
        let late = side.losses().map(|losses| losses.late);
        if let Some(late) = late.filter(|late| *late != self.late) {
            self.late = late;
            journal.event(peer, "late", late)?;
        }
        let number = self.next;
        if number < work.request {
            let message = Message { life: journal.life(), number };
            let Some(id) = side.request(ASK, &message.payload(LONGEST), work.timeout)? else {
                return Ok(false);
            };
            journal.write(&Line::Sent { peer: peer.to_owned(), what: What::Request, number, id })?;
            self.open.insert(id, message);
            self.next += 1;
            return Ok(true);
        }
        if work.request > 0 && self.open.is_empty() && !self.over {
            self.over = side.send(OVER, &[])?.is_some();
        }
        Ok(false)
    }

    /// Checks an answer and notes it.
    pub(super) fn answered(
        &mut self,
        peer: &str,
        journal: &mut Journal,
        id: u64,
        payload: &[u8],
    ) -> io::Result<()> {
        let peer = peer.to_owned();
        let wanted = self.open.remove(&id);
        journal.write(&match Message::check(payload) {
            Ok(message) if Some(message) == wanted => Line::Ended { peer, id, how: End::Answered },
            Ok(message) => Line::Damaged { peer, what: format!("{message:?} answers {wanted:?}") },
            Err(damage) => Line::Damaged { peer, what: format!("an answer: {damage}") },
        })
    }

    /// Whether no request is under way.
    pub(super) fn has_ended(&self) -> bool {
        self.open.is_empty()
    }

    /// A request has ended without an answer.
    pub(super) fn ended(&mut self, id: u64) {
        self.open.remove(&id);
    }
}
