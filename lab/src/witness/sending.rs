//! How far a witness is with its messages to one peer.

use std::io;

use super::journal::{Journal, Line};
use super::message::{Message, TOPIC};

/// What became of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Published.
    Sent,
    /// Not now: the ring is full, or there is no session.
    NotNow,
}

/// What a witness sends to each peer.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many messages.
    pub count: u64,
    /// The longest payload in bytes, where the ring takes longer ones.
    pub longest: usize,
}

/// Messages to one peer.
#[derive(Debug)]
pub(super) struct Sending {
    peer: String,
    next: u64,
    load: Load,
    /// The message that did not fit, so that it is not made again at each try.
    waiting: Option<Vec<u8>>,
}

impl Sending {
    /// Begins with the load for `peer`.
    pub(super) fn new(peer: &str, load: Load) -> Self {
        Self { peer: peer.to_owned(), next: 0, load, waiting: None }
    }

    /// Sends the next message by `send`, which gets topic and payload, and notes it. True when one was sent. `max` is the
    /// longest payload that the ring takes.
    pub(super) fn step(
        &mut self,
        journal: &mut Journal,
        max: usize,
        send: impl FnOnce(&str, &[u8]) -> io::Result<Attempt>,
    ) -> io::Result<bool> {
        // No room for any message: not attached.
        if self.next == self.load.count || max == 0 {
            return Ok(false);
        }
        let message = Message { life: journal.life(), number: self.next };
        let payload = self.waiting.take().unwrap_or_else(|| message.payload(max.min(self.load.longest)));
        if send(TOPIC, &payload)? == Attempt::NotNow {
            self.waiting = Some(payload);
            return Ok(false);
        }
        journal.write(&Line::Sent { peer: self.peer.clone(), number: self.next })?;
        self.next += 1;
        Ok(true)
    }
}

/// Checks a message and notes it.
pub(super) fn receive(
    journal: &mut Journal,
    peer: &str,
    topic: &str,
    payload: &[u8],
    again: bool,
) -> io::Result<()> {
    let peer = peer.to_owned();
    if topic != TOPIC {
        return journal.write(&Line::Damaged { peer, what: format!("a message on topic {topic:?}") });
    }
    journal.write(&match Message::check(payload) {
        Ok(Message { life, number }) => Line::Received { peer, life, number, again },
        Err(damage) => Line::Damaged { peer, what: damage.to_string() },
    })
}
