//! `listen`: the events of a server, printed as they come.

use super::endpoint::Endpoint;
use super::event_json::EventJson;
use super::event_line::event_line;
use super::failure::Failure;
use super::output::Output;
use crate::control::{ClientError, Code, Event, Target};

/// Prints the events that match until stopped, or until `count` messages have come. Blocks.
///
/// # Errors
/// When the server can't be reached or has ended, or the output can't be written.
pub fn listen(
    endpoint: &Endpoint,
    target: Target,
    topic: Option<String>,
    count: Option<u64>,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut events = endpoint.connect()?.listen(target, topic)?;
    let mut left = count;
    while left != Some(0) {
        let (event, payload) = match events.next_event(None) {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(ClientError::Closed) => {
                return Err(Failure::new(Code::Failure, format!("{} has ended", endpoint.service)));
            }
            Err(error) => return Err(error.into()),
        };
        if out.json {
            out.json(&EventJson::new(&event, &payload))?;
        } else {
            out.line(event_line(&event, &payload))?;
        }
        if matches!(event, Event::Message { .. }) {
            left = left.map(|left| left - 1);
        }
    }
    Ok(())
}
