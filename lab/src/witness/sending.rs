//! How far a witness is with what it sends to one peer.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use super::journal::{Journal, Line, What};
use super::message::Message;
use super::side::Side;
use super::work::Work;

/// Topics, one for each kind of message.
pub(super) const RECORD: &str = "witness";
pub(super) const LARGE: &str = "witness.large";
pub(super) const ECHO: &str = "witness.echo";

/// Messages of one record to one peer.
#[derive(Debug, Default)]
pub(super) struct Records {
    next: u64,
    /// The message that did not fit, so that it is not made again at each try.
    waiting: Option<Vec<u8>>,
    /// No message before this, where they are paced.
    due: Option<Instant>,
}

impl Records {
    /// Sends the next message and notes it. True when one was sent.
    pub(super) fn step(
        &mut self,
        peer: &str,
        work: &Work,
        journal: &mut Journal,
        side: &mut impl Side,
    ) -> io::Result<bool> {
        let max = side.max_record(RECORD);
        // No room for any message: not attached.
        if self.next == work.send || max == 0 || self.due.is_some_and(|due| Instant::now() < due) {
            return Ok(false);
        }
        let number = self.next;
        let make = || Message { life: journal.life(), number }.payload(max.min(work.longest));
        let payload = self.waiting.take().unwrap_or_else(make);
        let Some(id) = side.send(RECORD, &payload)? else {
            self.waiting = Some(payload);
            return Ok(false);
        };
        journal.write(&Line::Sent { peer: peer.to_owned(), what: What::Record, number, id })?;
        self.next += 1;
        self.due = (work.pace > 0).then(|| Instant::now() + Duration::from_micros(work.pace));
        Ok(true)
    }
}

/// Messages in fragments that are under way at once: so one always is.
const AHEAD: usize = 2;

/// Messages in fragments to one peer, and the peer's that are sent back.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    next: u64,
    /// The own messages that have not ended.
    open: HashSet<u64>,
    /// The echoes that have not.
    echoing: HashSet<u64>,
    /// The peer's messages that are to be sent back.
    echoes: VecDeque<(u64, Vec<u8>)>,
}

impl Transfers {
    /// Begins what can begin and notes it. True when something has.
    pub(super) fn step(
        &mut self,
        peer: &str,
        work: &Work,
        journal: &mut Journal,
        side: &mut impl Side,
    ) -> io::Result<bool> {
        let (peer, mut begun) = (peer.to_owned(), false);
        if let Some((number, payload)) = self.echoes.front()
            && let Some(id) = side.send(ECHO, payload)?
        {
            journal.write(&Line::Sent { peer: peer.clone(), what: What::Echo, number: *number, id })?;
            self.echoes.pop_front();
            self.echoing.insert(id);
            begun = true;
        }
        if self.open.len() == AHEAD || self.next == work.large || side.max_record(LARGE) == 0 {
            return Ok(begun);
        }
        let number = self.next;
        let payload = Message { life: journal.life(), number }.payload_of(work.length);
        if let Some(id) = side.send(LARGE, &payload)? {
            journal.write(&Line::Sent { peer, what: What::Large, number, id })?;
            self.open.insert(id);
            self.next += 1;
            begun = true;
        }
        Ok(begun)
    }

    /// Something has ended; true when it was an own message.
    pub(super) fn ended(&mut self, id: u64) -> bool {
        self.echoing.remove(&id);
        self.open.remove(&id)
    }

    /// Whether none is under way.
    pub(super) fn have_ended(&self) -> bool {
        self.open.is_empty() && self.echoing.is_empty()
    }

    /// Keeps a message of the peer, to be sent back.
    pub(super) fn echo(&mut self, number: u64, payload: Vec<u8>) {
        self.echoes.push_back((number, payload));
    }
}
