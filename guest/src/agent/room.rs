//! Has the kernel make room for a device that was plugged in and found none.

use std::time::Instant;

use super::{Agent, RETRY};
use crate::discover::discover;
use crate::pci::Address;
use crate::room;

impl Agent {
    /// Looks after a device that has come back without room, when that is due: the region itself is looked for elsewhere.
    pub(super) fn look_for_room(&mut self, now: Instant) {
        let lost = self.guest.as_ref().is_some_and(|guest| guest.lost().is_some());
        if !lost || self.options.region.is_some() || now < self.next_try {
            return;
        }
        self.next_try = now + RETRY;
        let found = discover(&self.options.root, self.options.pci);
        self.make_room(found.err().and_then(|error| error.lacks_room()));
    }

    /// Makes room for `device`, which lacks it; once, until it has room or is gone.
    pub(super) fn make_room(&mut self, device: Option<Address>) {
        let tried = std::mem::replace(&mut self.room_tried, device);
        let Some(device) = device.filter(|_| device != tried) else { return };
        match room::make_room(&self.options.root, device) {
            Ok(true) => tracing::info!(
                "{device} had no room for its memory: removed it and had its bus looked at anew"
            ),
            Ok(false) => tracing::warn!("{device} has no room for its memory, and others share its bus"),
            Err(error) => {
                tracing::warn!("{device} has no room for its memory, and none can be made: {error}")
            }
        }
    }
}
