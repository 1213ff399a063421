//! `listen`: the events of a server, printed as they come.

use std::path::PathBuf;

use super::endpoint::Endpoint;
use super::event_json::EventJson;
use super::event_line::event_line;
use super::failure::Failure;
use super::output::Output;
use super::payload_files::PayloadFiles;
use crate::control::{ClientError, Code, Event, Target};

/// What to listen to, as a command line gives it.
#[derive(Debug)]
pub struct Listening {
    /// Whose events.
    pub target: Target,
    /// Only messages on this topic.
    pub topic: Option<String>,
    /// Ends after so many messages.
    pub count: Option<u64>,
    /// The directory that gets each payload as a file of its own.
    pub directory: Option<PathBuf>,
}

/// Prints the events that match until stopped, or until enough messages have come. Blocks.
///
/// # Errors
/// When the server can't be reached or has ended, or the output or a payload's file can't be written.
pub fn listen(listening: Listening, endpoint: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let Listening { target, topic, count, directory } = listening;
    let mut files = directory.map(PayloadFiles::in_directory).transpose()?;
    let mut events = endpoint.connect()?.listen(target, topic)?;
    let mut left = count;
    while left != Some(0) {
        let (event, body) = match events.next_event(None) {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(ClientError::Closed) => {
                return Err(Failure::new(Code::Failure, format!("{} has ended", endpoint.service)));
            }
            Err(error) => return Err(error.into()),
        };
        let is_message = matches!(event, Event::Message { .. });
        // A message has a payload even if it is empty, and of other events those that do carry something.
        let payload = (is_message || !body.is_empty()).then_some(&body[..]);
        let file = match (&mut files, payload) {
            (Some(files), Some(payload)) => Some(files.write(&topic_of(&event), payload)?),
            _ => None,
        };
        if out.json {
            out.json(&EventJson::new(&event, payload, file.as_deref()))?;
        } else {
            out.line(event_line(&event, payload, file.as_deref()))?;
        }
        if is_message {
            left = left.map(|left| left - 1);
        }
    }
    Ok(())
}

/// The topic that a payload came on, or what kind of event it came with.
fn topic_of(event: &Event) -> String {
    if let Event::Message { topic, .. } = event {
        return topic.clone();
    }
    // As `--json` shows it, so that events which this version does not know are named as well.
    let fields = serde_json::to_value(event).unwrap_or_default();
    let named = ["topic", "event"].iter().find_map(|field| fields[*field].as_str());
    named.unwrap_or_default().to_owned()
}
