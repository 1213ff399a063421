//! Answers to the peer's requests that wait for room in the ring, in order.
//!
//! Who asks and does not receive decides how many there are, and so there is a bound.

use std::collections::VecDeque;
use std::vec::Vec;

use crate::link::{SendError, Status};

/// Bytes that may wait for one peer, and at least one answer whatever its length. Who asks for more than it receives
/// loses the rest.
const MOST: usize = 1 << 20;
/// What is counted for each beside its payload, in bytes: a share of the queue and the allocator's own, with which answers
/// that are empty are bounded, too.
const EACH: usize = 128;

#[derive(Debug)]
struct Answer {
    id: u64,
    status: Status,
    payload: Vec<u8>,
}

/// The answers that wait for one peer.
#[derive(Debug, Default)]
pub struct WaitingAnswers {
    answers: VecDeque<Answer>,
    bytes: usize,
}

/// What came of a try to send those that wait.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Whether any is gone, sent or lost.
    pub moved: bool,
    /// How many are lost: there is no session any more, or the answer fits no record.
    pub lost: u64,
    /// Why the last of these is.
    pub why: Option<SendError>,
}

impl WaitingAnswers {
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that they take with another one of that length; `None` when it may not wait beside those that do.
    pub fn bytes_with(&self, length: usize) -> Option<usize> {
        let bytes = self.bytes + EACH + length;
        (self.is_empty() || bytes <= MOST).then_some(bytes)
    }

    /// Puts an answer behind those that wait. It is for the caller to ask [`bytes_with`](Self::bytes_with) first.
    pub fn push(&mut self, id: u64, status: Status, payload: Vec<u8>) {
        self.bytes += EACH + payload.len();
        self.answers.push_back(Answer { id, status, payload });
    }

    /// Sends with `respond` what there is room for, the first one first.
    pub fn retry(&mut self, mut respond: impl FnMut(u64, Status, &[u8]) -> Result<(), SendError>) -> Tried {
        let mut tried = Tried::default();
        while let Some(Answer { id, status, payload }) = self.answers.front() {
            let lost = match respond(*id, *status, payload) {
                Ok(()) => None,
                Err(SendError::Full { .. }) => break,
                // The rings can be of two sizes. The words are short, and if they do not fit either, the peer waits in vain.
                Err(error @ SendError::TooLarge { .. }) => {
                    let words = std::format!("{error}");
                    respond(*id, Status::Failed, words.as_bytes()).err()
                }
                // No session, nobody who waits for it.
                Err(error @ (SendError::NotAttached | SendError::Fault(_))) => Some(error),
            };
            tried.moved = true;
            tried.lost += u64::from(lost.is_some());
            tried.why = lost.or(tried.why);
            self.bytes -= EACH + payload.len();
            self.answers.pop_front();
        }
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: SendError = SendError::Full { needed: 8, free: 0 };

    fn filled(length: usize) -> (WaitingAnswers, usize) {
        let mut waiting = WaitingAnswers::default();
        let mut count = 0;
        while waiting.bytes_with(length).is_some() {
            waiting.push(1, Status::Ok, std::vec![7; length]);
            count += 1;
        }
        (waiting, count)
    }

    #[test]
    fn empty_ones_are_bounded_too_by_what_they_really_take() {
        let (waiting, count) = filled(0);
        assert_eq!(count, MOST / EACH);
        let held = waiting.answers.capacity() * size_of::<Answer>();
        assert!(held <= MOST, "{held} bytes for {count} empty answers");
    }

    #[test]
    fn a_long_one_waits_alone() {
        let (waiting, count) = filled(MOST * 3);
        assert_eq!((count, waiting.bytes()), (1, MOST * 3 + EACH));
        assert_eq!(waiting.bytes_with(0), None);
    }

    #[test]
    fn they_go_in_order_and_their_bytes_with_them() {
        let mut waiting = WaitingAnswers::default();
        for id in 1..=3 {
            waiting.push(id, Status::Ok, std::vec![0; 10]);
        }
        let mut sent = Vec::new();
        let mut respond = |id, _: Status, _: &[u8]| {
            if sent.len() < 2 {
                sent.push(id);
                Ok(())
            } else {
                Err(FULL)
            }
        };
        assert_eq!(waiting.retry(&mut respond), Tried { moved: true, ..Tried::default() });
        assert_eq!(waiting.retry(&mut respond), Tried::default());
        assert_eq!((sent, waiting.bytes()), (std::vec![1, 2], EACH + 10));
        let lost = waiting.retry(|_, _, _| Err(SendError::NotAttached));
        assert_eq!(lost, Tried { moved: true, lost: 1, why: Some(SendError::NotAttached) });
        assert!(waiting.is_empty() && waiting.bytes() == 0);
    }

    #[test]
    fn what_fits_no_record_is_answered_with_the_reason() {
        let mut waiting = WaitingAnswers::default();
        waiting.push(5, Status::Ok, std::vec![0; 10]);
        let mut said = Vec::new();
        let tried = waiting.retry(|id, status, payload| {
            said.push((id, status, payload.to_vec()));
            if status == Status::Ok { Err(SendError::TooLarge { length: 10, max: 4 }) } else { Ok(()) }
        });
        assert_eq!(tried, Tried { moved: true, ..Tried::default() });
        assert_eq!((said[1].0, said[1].1), (5, Status::Failed));
        assert!(std::string::String::from_utf8_lossy(&said[1].2).contains("10 bytes exceed"));
    }
}
