//! Waiting by spinning, not for ever.

use std::{
    hint, thread,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// A side that hears nothing for so long gives up.
const LIMIT: Duration = Duration::from_secs(10);
/// Looks at what is waited for until the processor is offered to others now and then: a fraction of a millisecond, far
/// longer than anything waits where each side has a core of its own.
const SPINS: u32 = 1 << 13;

/// One wait. Every peer that is polled waits like this.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    spins: u32,
    since: Option<Instant>,
}

impl Patience {
    /// To be called after each look that found nothing.
    ///
    /// # Errors
    ///
    /// [`Failure::Silent`] after ten seconds.
    #[inline]
    pub(crate) fn pause(&mut self) -> Result<(), Failure> {
        hint::spin_loop();
        self.spins += 1;
        if self.spins < SPINS { Ok(()) } else { self.give_way() }
    }

    #[cold]
    fn give_way(&mut self) -> Result<(), Failure> {
        thread::yield_now();
        self.spins = SPINS - 64;
        if self.since.get_or_insert_with(Instant::now).elapsed() > LIMIT {
            return Err(Failure::Silent(LIMIT.as_secs()));
        }
        Ok(())
    }
}
