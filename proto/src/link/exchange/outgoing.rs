//! Messages too large for one record, on their way out: kept until the peer says how they ended.

use std::collections::VecDeque;

use super::WINDOW;
use super::incarnation::Incarnation;
use crate::link::{Fragment, Kind, Link, SendError, Status, Topic};
use crate::memory::Memory;

/// Pieces sent in one turn, so that a fast peer does not hold the caller for the whole of a message.
const PIECES_A_TURN: usize = 16;

/// A message that is being sent.
#[derive(Debug)]
pub(super) struct Transfer {
    number: u64,
    pub(super) kind: Kind,
    pub(super) id: u64,
    status: Status,
    topic: Option<String>,
    payload: Vec<u8>,
    sent: usize,
    /// The peer that it was begun for is no more.
    doubtful: bool,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    incarnation: Incarnation,
    counter: u32,
    queue: VecDeque<Transfer>,
    bytes: usize,
    /// Those of them that are answers: the peer decides how many.
    answers: usize,
    /// Bytes kept at most, but always one message.
    most: usize,
}

impl Outgoing {
    pub(super) fn new(incarnation: Incarnation, most: usize) -> Self {
        Outgoing { incarnation, counter: 0, queue: VecDeque::new(), bytes: 0, answers: 0, most }
    }

    /// The transfers of a new life have new numbers; those begun in the old one keep theirs.
    pub(super) fn renumber(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }

    /// Bytes that may be kept beside those that are.
    pub(super) fn free(&self) -> usize {
        self.most.saturating_sub(self.bytes)
    }

    /// Bytes of answers that are kept.
    pub(super) fn answers(&self) -> usize {
        self.answers
    }

    /// Keeps a message, to be sent by [`pump`](Self::pump); returns its number. `id` is that number where there is none.
    pub(super) fn keep(
        &mut self,
        kind: Kind,
        id: Option<u64>,
        status: Status,
        topic: Option<Topic<'_>>,
        payload: &[u8],
    ) -> Result<u64, SendError> {
        let free = self.free();
        if payload.len() > free && !self.queue.is_empty() {
            return Err(SendError::Full { needed: payload.len() as u64, free: free as u64 });
        }
        self.counter = self.counter.wrapping_add(1);
        let number = self.incarnation.transfer(self.counter);
        let id = id.unwrap_or(number);
        self.bytes += payload.len();
        self.answers += if kind == Kind::Response { payload.len() } else { 0 };
        self.queue.push_back(Transfer {
            number,
            kind,
            id,
            status,
            topic: topic.map(|topic| topic.as_str().to_owned()),
            payload: payload.to_vec(),
            sent: 0,
            doubtful: false,
        });
        Ok(id)
    }

    /// Sends what there is room for; says whether anything was sent.
    pub(super) fn pump<M: Memory>(&mut self, link: &mut Link<M>) -> Result<bool, SendError> {
        let mut left = PIECES_A_TURN;
        // One after the other: the peer puts one together at a time.
        for transfer in self.queue.iter_mut().take(WINDOW).filter(|transfer| !transfer.doubtful) {
            while transfer.sent < transfer.payload.len() {
                if left == 0 || !transfer.send_piece(link)? {
                    return Ok(left < PIECES_A_TURN);
                }
                left -= 1;
            }
        }
        Ok(left < PIECES_A_TURN)
    }

    /// Whether a piece waits for room.
    pub(super) fn is_sending(&self) -> bool {
        let waits = |transfer: &Transfer| !transfer.doubtful && transfer.sent < transfer.payload.len();
        self.queue.iter().take(WINDOW).any(waits)
    }

    /// The peer says how a transfer ended.
    pub(super) fn ended(&mut self, number: u64) -> Option<Transfer> {
        let index = self.queue.iter().take(WINDOW).position(|transfer| transfer.number == number)?;
        let transfer = self.queue.remove(index)?;
        self.bytes -= transfer.payload.len();
        self.answers -= if transfer.kind == Kind::Response { transfer.payload.len() } else { 0 };
        Some(transfer)
    }

    /// The peer that has received pieces so far is no more. What waits in the other ring may still be its word.
    pub(super) fn doubt(&mut self) {
        self.queue
            .iter_mut()
            .filter(|transfer| transfer.sent > 0)
            .for_each(|transfer| transfer.doubtful = true);
    }

    /// The next transfer in doubt, given up.
    pub(super) fn doubtful(&mut self) -> Option<Transfer> {
        let number = self.queue.iter().find(|transfer| transfer.doubtful)?.number;
        self.ended(number)
    }

    /// The next transfer of all, given up.
    pub(super) fn first(&mut self) -> Option<Transfer> {
        let number = self.queue.front()?.number;
        self.ended(number)
    }
}

impl Transfer {
    /// The number that the peer knows it by, if it was begun and not finished.
    pub(super) fn unfinished(&self) -> Option<u64> {
        (self.sent > 0 && self.sent < self.payload.len()).then_some(self.number)
    }

    /// Sends the next piece and publishes it; `false` when there is no room.
    fn send_piece<M: Memory>(&mut self, link: &mut Link<M>) -> Result<bool, SendError> {
        // It was one when the message was kept.
        let topic = self.topic.as_deref().filter(|_| self.sent == 0).and_then(|name| Topic::new(name).ok());
        let length = link.max_piece(topic.map_or(0, |topic| topic.as_str().len()));
        let rest = &self.payload[self.sent..];
        let piece = &rest[..length.min(rest.len())];
        let fragment = Fragment {
            transfer: self.number,
            total: self.payload.len() as u64,
            offset: self.sent as u64,
            of: self.kind,
        };
        match link.send_piece(&fragment, self.id, self.status, topic, piece) {
            Ok(()) => {
                // One at a time, so that the peer copies one out while the next is copied in.
                link.flush();
                self.sent += piece.len();
                Ok(true)
            }
            Err(SendError::Full { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
