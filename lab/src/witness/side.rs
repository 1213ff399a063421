//! One end of a channel, as the host and a guest have it alike.

use std::io;
use std::time::Duration;

use ivring_proto::link::{Losses, SendError, Unanswered};

use super::journal::End;

/// What a witness does with its end of a channel. It gets `None` where there is no room now, or no session.
pub(super) trait Side {
    /// The longest payload that goes in one record; 0 without a session.
    fn max_record(&mut self, topic: &str) -> usize;
    /// Sends a message and returns its number.
    fn send(&mut self, topic: &str, payload: &[u8]) -> io::Result<Option<u64>>;
    /// Sends a request and returns its number.
    fn request(&mut self, topic: &str, payload: &[u8], timeout: Duration) -> io::Result<Option<u64>>;
    /// Answers a request.
    fn respond(&mut self, id: u64, payload: &[u8]) -> io::Result<Option<()>>;
    /// Sends a ping and returns its number.
    fn ping(&mut self, timeout: Duration) -> io::Result<Option<u64>>;
    /// What has come to nothing so far; `None` for one who has left.
    fn losses(&mut self) -> Option<Losses>;
}

/// What has come from a peer, or about it.
#[derive(Debug)]
pub(super) enum News {
    Message { topic: String, payload: Vec<u8>, again: bool },
    Request { id: u64, payload: Vec<u8>, again: bool },
    Response { id: u64, payload: Vec<u8> },
    Pong { id: u64, round_trip: Duration },
    Ended { id: u64, how: End },
    Undelivered { count: u64, first: u64 },
    Other { what: &'static str, detail: String },
}

impl News {
    pub(super) fn unanswered(id: u64, why: Unanswered) -> Self {
        let how = match why {
            Unanswered::TimedOut { .. } => End::TimedOut,
            Unanswered::Detached => End::Detached,
            Unanswered::Interrupted => End::Interrupted,
            Unanswered::Declined(_) => End::Declined,
        };
        News::Ended { id, how }
    }
}

/// `None` for what can be tried again later.
pub(super) fn unless_full<T>(result: Result<T, SendError>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A fault ends the session, or shows that it is another's by now; either is told.
        Err(SendError::Full { .. } | SendError::NotAttached | SendError::Fault(_)) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}
