//! A connection that listens.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::client::{ClientError, refused};
use super::event::{Event, read_event};
use super::frame::FrameError;
use super::response::Response;
use super::stream::{Deadline, Link};

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
        match read_event(&frame.header) {
            Ok(event) => Ok(Some((event, frame.body))),
            Err(error) => Err(match serde_json::from_slice::<Response>(&frame.header) {
                Ok(response) if response.id == 0 => refused(response),
                _ => FrameError::Header(error).into(),
            }),
        }
    }
}

impl AsFd for Listener {
    /// For a poll loop of one's own. Call [`Listener::next_event`] with a zero timeout until it gives `None` first:
    /// events may have been read already.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.fd()
    }
}
