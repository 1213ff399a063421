//! The guest's end of the demo: what it is asked to do, wherever it is.

use std::time::Duration;

use crate::{Error, Flood};

/// A running agent and what is beside it. Dropping it ends it without a farewell.
pub(super) trait Peer {
    /// Begins to listen for `count` messages on `topic`. Returns when no message can be missed any more.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the agent does not let it.
    fn listen(&mut self, topic: &str, count: usize) -> Result<(), Error>;

    /// Waits for the messages and returns their texts.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if they do not all come.
    fn heard(&mut self) -> Result<Vec<String>, Error>;

    /// Begins to listen for one message on `topic`, of any length. Returns when it can't be missed any more.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the agent does not let it.
    fn listen_for_one(&mut self, topic: &str) -> Result<(), Error>;

    /// Waits for that message and returns its SHA-256, in hexadecimal.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not come.
    fn checksum(&mut self) -> Result<String, Error>;

    /// Sends messages to the host, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if one is not taken.
    fn say(&mut self, topic: &str, texts: &[String]) -> Result<(), Error>;

    /// As many messages of `bytes` bytes to the host as go through in `span`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if one is not taken.
    fn flood(&mut self, bytes: u32, span: Duration) -> Result<Flood, Error>;

    /// Ends it as an operator would; the agent says good-bye.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it does not end.
    fn stop(self: Box<Self>) -> Result<(), Error>;
}
