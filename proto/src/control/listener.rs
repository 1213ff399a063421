//! A connection that listens.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use serde_json::{Map, Value};

use super::client::{ClientError, Deadline, Link, refused};
use super::event::Event;
use super::frame::FrameError;
use super::response::Response;

/// A stream of events; made by [`super::Client::listen`].
#[derive(Debug)]
pub struct Listener {
    link: Link,
}

impl Listener {
    pub(super) fn new(link: Link) -> Self {
        Listener { link }
    }

    /// The next event with its body; `None` when none came within `timeout`, and without one it waits for ever.
    ///
    /// What a newer server tells, and this version does not know, comes as [`Event::Other`].
    ///
    /// # Errors
    /// [`ClientError::Closed`] when the server ended, and what else ends a connection.
    pub fn next_event(&mut self, timeout: Option<Duration>) -> Result<Option<(Event, Vec<u8>)>, ClientError> {
        let Some(frame) = self.link.next_frame(timeout.map(Deadline::after))? else { return Ok(None) };
        match serde_json::from_slice::<Event>(&frame.header) {
            Ok(event) => Ok(Some((event, frame.body))),
            Err(error) => match other_event(&frame.header) {
                Some(event) => Ok(Some((event, frame.body))),
                None => Err(match serde_json::from_slice::<Response>(&frame.header) {
                    Ok(response) if response.id == 0 => refused(response),
                    _ => FrameError::Header(error).into(),
                }),
            },
        }
    }
}

/// An event that this version can't read, if it is one.
fn other_event(header: &[u8]) -> Option<Event> {
    let fields: Map<String, Value> = serde_json::from_slice(header).ok()?;
    fields.get("event").is_some_and(Value::is_string).then_some(Event::Other(fields))
}

impl AsFd for Listener {
    /// For a poll loop of one's own. Call [`Listener::next_event`] with a zero timeout until it gives `None` first:
    /// events may have been read already.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.fd()
    }
}
