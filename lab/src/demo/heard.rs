//! Messages as they come from a control socket.

use std::time::{Duration, Instant};

use ivring_proto::control::{Event, Listener};

use crate::Error;
use crate::daemon::failed;

/// How long all of them together may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The payloads of the next `count` messages.
pub(super) fn collect(listener: &mut Listener, count: usize) -> Result<Vec<Vec<u8>>, Error> {
    let deadline = Instant::now() + LIMIT;
    let mut payloads = Vec::with_capacity(count);
    while payloads.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        match listener.next_event(Some(left)).map_err(failed("listen"))? {
            Some((Event::Message { .. }, payload)) => payloads.push(payload),
            Some(_) => {}
            None => {
                let came = payloads.len();
                return Err(Error::Failed(format!("{came} of {count} messages came within {LIMIT:?}")));
            }
        }
    }
    Ok(payloads)
}
