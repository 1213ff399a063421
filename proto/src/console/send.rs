//! `send`: one message, by way of a server.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::failure::Failure;
use super::output::Output;
use super::payload::payload;
use super::seconds::milliseconds;
use crate::control::{Request, Sent, Target};

/// A message as a command line gives it.
#[derive(Debug)]
pub struct Outgoing {
    /// Who gets it.
    pub target: Target,
    /// Its topic.
    pub topic: String,
    /// The payload; `-` reads it from standard input, and without text or file it is empty.
    pub text: Option<String>,
    /// The file that holds the payload, in the place of a text.
    pub file: Option<PathBuf>,
    /// How long to wait for room when the ring is full.
    pub wait: Duration,
}

/// Reads the payload and sends the message; prints its number where JSON is wanted. Blocks.
///
/// # Errors
/// When the payload can't be read or is too large, the server can't be reached or didn't send it, or the output can't be
/// written.
pub fn send(message: Outgoing, endpoint: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    // Before it connects: standard input may take its time.
    let payload = payload(message.text, message.file.as_deref())?;
    let request =
        Request::Send { target: message.target, topic: message.topic, wait_ms: milliseconds(message.wait) };
    let (response, _) = endpoint.connect()?.call(&request, &payload)?;
    if out.json {
        let sent: Sent = endpoint.payload(&response)?;
        out.json(&sent)?;
    }
    Ok(())
}
