//! Messages of control clients that wait for room in the ring.

use std::collections::VecDeque;
use std::time::Instant;

use ivring_proto::control::{ClientId, MAX_BODY};
use ivring_proto::link::{SendError, Topic};

use crate::{Guest, GuestSendError};

/// Messages that may wait.
const MOST: usize = 4096;
/// Bytes that may wait, and at least one message whatever its length.
const MOST_BYTES: usize = MAX_BODY;

/// One message that waits.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) client: ClientId,
    /// The client's number for the request.
    pub(super) id: u64,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// When to give up.
    pub(super) deadline: Instant,
}

/// How a message's wait ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) client: ClientId,
    pub(super) id: u64,
    pub(super) result: Result<u64, SendFailure>,
}

/// Why a client's message was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendFailure {
    /// The link says why.
    #[error(transparent)]
    Link(#[from] GuestSendError),
    /// Others are before it.
    #[error("the ring is full and {before} messages wait for room already")]
    Behind {
        /// How many.
        before: usize,
    },
}

/// Messages that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Sends {
    waiting: VecDeque<Message>,
    bytes: usize,
}

impl Sends {
    /// Sends a message now, or keeps it until there is room. `None` when it was kept.
    pub(super) fn begin(&mut self, guest: &mut Guest, message: Message, now: Instant) -> Option<Ended> {
        let Message { client, id, .. } = message;
        // What waits is bounded by the lengths of payloads, and a topic that is none can be as long as a frame's header.
        if let Err(error) = Topic::new(&message.topic) {
            return Some(Ended { client, id, result: Err(SendFailure::Link(error.into())) });
        }
        let may_wait = message.deadline > now;
        if !self.waiting.is_empty() {
            let before = self.waiting.len();
            let room = before < MOST && self.bytes + message.payload.len() <= MOST_BYTES;
            if may_wait && room {
                self.keep(message);
                return None;
            }
            return Some(Ended { client, id, result: Err(SendFailure::Behind { before }) });
        }
        match guest.push(&message.topic, &message.payload) {
            Err(GuestSendError::Send(SendError::Full { .. })) if may_wait => {
                self.keep(message);
                None
            }
            result => Some(Ended { client, id, result: result.map_err(SendFailure::from) }),
        }
    }

    fn keep(&mut self, message: Message) {
        self.bytes += message.payload.len();
        self.waiting.push_back(message);
    }

    /// Sends what there is room for and gives up what is overdue. The caller flushes.
    pub(super) fn retry(&mut self, guest: &mut Guest, now: Instant) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Some(first) = self.waiting.pop_front() {
            match guest.push(&first.topic, &first.payload) {
                Err(GuestSendError::Send(SendError::Full { .. })) if first.deadline > now => {
                    self.waiting.push_front(first);
                    break;
                }
                result => {
                    self.bytes -= first.payload.len();
                    let result = result.map_err(SendFailure::from);
                    ended.push(Ended { client: first.client, id: first.id, result });
                }
            }
        }
        // Those behind the first can be overdue before it.
        let mut before = 0;
        while let Some(message) = self.waiting.get(before) {
            if message.deadline > now {
                before += 1;
                continue;
            }
            let Some(late) = self.waiting.remove(before) else { break };
            self.bytes -= late.payload.len();
            let result = Err(SendFailure::Behind { before });
            ended.push(Ended { client: late.client, id: late.id, result });
        }
        ended
    }
}
