//! `ivring send`.

use ivring_proto::control::{Client, Request, Sent};

use super::failure::Failure;
use super::options::Send;
use super::output::Output;
use super::payload::payload;
use super::target;

/// Sends one message to a guest.
pub(super) fn send(
    send: Send,
    connect: impl FnOnce() -> Result<Client, Failure>,
    out: &mut Output,
) -> Result<(), Failure> {
    let payload = payload(send.text, send.file.as_deref())?;
    let request = Request::Send {
        target: target(&send.guest, &send.region),
        topic: send.topic,
        // Checked as the command line was read: at most a day.
        wait_ms: u32::try_from(send.wait.as_millis()).unwrap_or(u32::MAX),
    };
    let (response, _) = connect()?.call(&request, &payload)?;
    if out.json {
        let sent: Sent = response.payload().map_err(|error| Failure::other_version(&error))?;
        out.json(&sent)?;
    }
    Ok(())
}
