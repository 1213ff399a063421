//! What went wrong the last time, as a line.

use std::time::Duration;

use ivring_proto::console::shown;

use crate::listing::{Guest, Refused};
use ivring_proto::console::amount::time;

/// What a guest wrote that cannot be right: for as long as the daemon runs, whatever the guest has done since. `None` for one
/// that did nothing wrong.
pub(super) fn last_fault(guest: &Guest) -> Option<String> {
    let reason = guest.last_fault.as_deref()?;
    let who = if guest.who.name.is_empty() { &guest.who.uuid } else { &guest.who.name };
    let ago = time(Duration::from_millis(guest.last_fault_ms.unwrap_or(0)));
    Some(format!("fault of {}:{}, {ago} ago: {}", shown(who), shown(&guest.who.port), shown(reason)))
}

/// Who was refused a channel.
pub(super) fn last_refusal(refused: &Refused) -> String {
    let Refused { region, count, last, last_ms } = refused;
    let ago = time(Duration::from_millis(*last_ms));
    format!("{count} requests to join {} were refused, {ago} ago that of {}", shown(region), shown(last))
}
