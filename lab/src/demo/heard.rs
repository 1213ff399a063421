//! Messages as they come from a control socket.

use std::time::{Duration, Instant};

use ivring_proto::control::{Event, Listener};

use super::failed;
use crate::Error;

/// How long all of them together may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The texts of the next `count` messages.
pub(super) fn collect(listener: &mut Listener, count: usize) -> Result<Vec<String>, Error> {
    let deadline = Instant::now() + LIMIT;
    let mut texts = Vec::with_capacity(count);
    while texts.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        match listener.next_event(Some(left)).map_err(failed("listen"))? {
            Some((Event::Message { .. }, text)) => texts.push(String::from_utf8_lossy(&text).into_owned()),
            Some(_) => {}
            None => {
                let came = texts.len();
                return Err(Error::Failed(format!("{came} of {count} messages came within {LIMIT:?}")));
            }
        }
    }
    Ok(texts)
}
