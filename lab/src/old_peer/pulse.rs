//! The heartbeat that a side writes.

use std::time::{Duration, Instant};

use ivring_proto::memory::{MappedFile, Memory as _};

use super::region::{random, wrong};
use crate::Error;

/// A word that is written every second, and read back before.
#[derive(Debug)]
pub(super) struct Pulse {
    at: u64,
    written: u64,
    due: Instant,
}

impl Pulse {
    /// Writes the first beat.
    pub(super) fn start(map: &MappedFile, at: u64) -> Result<Self, Error> {
        let mut pulse = Self { at, written: map.load(at), due: Instant::now() };
        pulse.beat(map)?;
        Ok(pulse)
    }

    /// Beats if it is time.
    pub(super) fn beat(&mut self, map: &MappedFile) -> Result<(), Error> {
        let now = Instant::now();
        if now < self.due {
            return Ok(());
        }
        let found = map.load(self.at);
        if found != self.written {
            return Err(wrong(format!("heartbeat {found:#x} and not {:#x}: a second writer", self.written)));
        }
        self.written = (found + 1) & 0xffff_ffff | random()? << 32;
        map.store_release(self.at, self.written);
        self.due = now + Duration::from_secs(1);
        Ok(())
    }
}
