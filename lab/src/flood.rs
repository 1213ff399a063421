//! As many messages as go through in a moment, from a control socket on one side to the reader of the ring on the other.
//!
//! The demo calls it on the host, and the program `ivring-flood` in the guests: both directions are measured by the same
//! code.

use std::time::{Duration, Instant};

use ivring_proto::control::{Client, ClientError, Code, Request, Target};
use serde::{Deserialize, Serialize};

/// The topic; nobody listens to it, so that the last thing that is measured is the reader of the ring.
const TOPIC: &str = "demo.flood";
/// Requests on their way at once: enough that the server never waits for the client.
const AHEAD: usize = 256;
/// How long a message may wait for room, in milliseconds.
const WAIT_MS: u32 = 5_000;
/// How long to wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// Messages.
    pub messages: u64,
    /// Length of each, in bytes.
    pub bytes: u32,
    /// From the first until the other side had read the last, in nanoseconds.
    pub nanoseconds: u64,
}

impl Flood {
    /// Messages a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        // Exact below 2^53, which no moment reaches.
        self.messages as f64 / Duration::from_nanos(self.nanoseconds).as_secs_f64()
    }
}

/// Sends messages of `bytes` bytes for `span`, then waits until all of them are read. Blocks for a little longer than `span`.
///
/// # Errors
///
/// [`ClientError`] if a message is refused, or the server fails.
pub fn flood(client: &mut Client, target: &Target, bytes: u32, span: Duration) -> Result<Flood, ClientError> {
    let payload: Vec<u8> = (0..bytes).map(|at| at.to_le_bytes()[0]).collect();
    let request = Request::Send { target: target.clone(), topic: TOPIC.to_owned(), wait_ms: WAIT_MS };
    let mut messages = 0;
    let started = Instant::now();
    while started.elapsed() < span {
        client.send_nowait(&request, &payload)?;
        messages += 1;
        while client.unanswered() >= AHEAD {
            take_answer(client)?;
        }
    }
    while client.unanswered() > 0 {
        take_answer(client)?;
    }
    // It follows the messages through the same ring: its answer says that they have been read.
    client.call(&Request::Ping { target: target.clone(), bytes: 0, timeout_ms: WAIT_MS }, &[])?;
    let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(Flood { messages, bytes, nanoseconds })
}

fn take_answer(client: &mut Client) -> Result<(), ClientError> {
    let (response, _) = client.next_response(PATIENCE)?;
    if response.code == Code::Done {
        return Ok(());
    }
    let text = response.error.unwrap_or_else(|| "a message was not taken".to_owned());
    Err(ClientError::Refused { code: response.code, text, detail: None })
}
