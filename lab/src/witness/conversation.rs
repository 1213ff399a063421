//! All that a witness does with one peer.

use std::io;

use super::answering::Answering;
use super::asking::{Asking, OVER};
use super::journal::{End, Journal, Line, What};
use super::message::Message;
use super::pinging::Pings;
use super::sending::{ECHO, LARGE, RECORD, Records, Transfers};
use super::side::{News, Side};
use super::work::Work;

/// All that a witness does with one peer.
#[derive(Debug)]
pub(super) struct Conversation {
    peer: String,
    work: Work,
    records: Records,
    transfers: Transfers,
    asking: Asking,
    answering: Answering,
    pings: Pings,
}

impl Conversation {
    /// Begins with `peer`.
    pub(super) fn new(peer: impl ToString, work: Work) -> Self {
        Self {
            peer: peer.to_string(),
            work,
            records: Records::default(),
            transfers: Transfers::default(),
            asking: Asking::default(),
            answering: Answering::default(),
            pings: Pings::new(),
        }
    }

    /// Does a little of what there is room for. True when something was sent, and there may be room for more.
    pub(super) fn step(&mut self, journal: &mut Journal, side: &mut impl Side) -> io::Result<bool> {
        let Self { peer, work, .. } = self;
        let mut sent = self.records.step(peer, work, journal, side)?;
        sent |= self.transfers.step(peer, work, journal, side)?;
        sent |= self.asking.step(peer, work, journal, side)?;
        sent |= self.answering.step(side)?;
        if work.ping {
            self.pings.step(side)?;
        }
        Ok(sent)
    }

    /// Checks and notes what has come.
    pub(super) fn take(&mut self, journal: &mut Journal, news: News) -> io::Result<()> {
        let peer = self.peer.clone();
        match news {
            News::Message { topic, .. } if topic == OVER => self.answering.over(),
            News::Message { topic, payload, again } => {
                let what = match topic.as_str() {
                    RECORD => What::Record,
                    LARGE => What::Large,
                    ECHO => What::Echo,
                    // A person's.
                    _ => {
                        return journal.event(
                            &peer,
                            "message",
                            format!("{topic}: {}", payload.escape_ascii()),
                        );
                    }
                };
                let message = receive(journal, &peer, what, &payload, again)?;
                if let Some(message) = message.filter(|_| what == What::Large && self.work.echo) {
                    self.transfers.echo(message.number, payload);
                }
            }
            News::Request { id, payload, again } => {
                if let Some(message) = receive(journal, &peer, What::Request, &payload, again)? {
                    self.answering.take(&self.work, id, message, payload);
                }
            }
            News::Response { id, payload } => self.asking.answered(&peer, journal, id, &payload)?,
            News::Pong { id, round_trip } => self.pings.answered(id, round_trip),
            News::Ended { id, how } => self.ended(journal, id, how)?,
            News::Undelivered { count, first } => journal.write(&Line::Undelivered { peer, count, first })?,
            News::Other { what, detail } => journal.event(&peer, what, detail)?,
        }
        Ok(())
    }

    /// Whether all that is told of has been told of.
    pub(super) fn has_ended(&self) -> bool {
        self.transfers.have_ended() && self.asking.has_ended()
    }

    fn ended(&mut self, journal: &mut Journal, id: u64, how: End) -> io::Result<()> {
        if self.pings.ended(id) {
            return journal.event(&self.peer, "ping", format!("{how:?}"));
        }
        journal.write(&Line::Ended { peer: self.peer.clone(), id, how })?;
        self.asking.ended(id);
        if self.transfers.ended(id) && self.work.ping {
            self.pings.note(&self.peer, journal)?;
        }
        Ok(())
    }
}

/// Checks a payload and notes it.
fn receive(
    journal: &mut Journal,
    peer: &str,
    what: What,
    payload: &[u8],
    again: bool,
) -> io::Result<Option<Message>> {
    let peer = peer.to_owned();
    match Message::check(payload) {
        Ok(message) => {
            let Message { life, number } = message;
            journal.write(&Line::Received { peer, what, life, number, again })?;
            Ok(Some(message))
        }
        Err(damage) => {
            journal.write(&Line::Damaged { peer, what: format!("{what:?}: {damage}") })?;
            Ok(None)
        }
    }
}
