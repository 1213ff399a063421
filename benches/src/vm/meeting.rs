//! How the two ends wait for each other, away from what is measured: a count of each in the shared memory.

use std::{
    thread,
    time::{Duration, Instant},
};

use ivring_proto::{layout::LINE, memory::Memory};

use super::{area::MEETING, way::End};
use crate::failure::Failure;

/// The other end may take this long to get somewhere: it may have to connect, or to join.
const LIMIT: Duration = Duration::from_secs(15);
/// Between two looks: the processor is for the other end.
const LOOK: Duration = Duration::from_micros(100);

/// One end of the meeting. Both begin with memory that is zero.
#[derive(Debug)]
pub(crate) struct Meeting<M> {
    memory: M,
    own: u64,
    other: u64,
    count: u64,
}

impl<M: Memory> Meeting<M> {
    pub(crate) fn new(memory: M, end: End) -> Self {
        let (host, guest) = (MEETING, MEETING + LINE);
        let (own, other) = if end == End::Host { (host, guest) } else { (guest, host) };
        Self { memory, own, other, count: 0 }
    }

    /// Waits until the other end is here as well. `gone` tells that it never will be.
    ///
    /// # Errors
    ///
    /// [`Failure::Silent`] when it does not come.
    pub(crate) fn meet(&mut self, gone: impl Fn() -> bool) -> Result<(), Failure> {
        self.count += 1;
        self.memory.store_release(self.own, self.count);
        let since = Instant::now();
        while self.memory.load_acquire(self.other) < self.count {
            // Whoever came and went has left its count.
            if gone() && self.memory.load_acquire(self.other) < self.count || since.elapsed() > LIMIT {
                return Err(Failure::Silent(since.elapsed().as_secs()));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ivring_proto::memory::HeapMemory;

    use super::*;

    #[test]
    fn both_or_none() {
        let memory = HeapMemory::new(usize::try_from(super::super::area::SIZE).unwrap());
        let mut host = Meeting::new(memory.clone(), End::Host);
        let mut guest = Meeting::new(memory, End::Guest);
        thread::scope(|scope| {
            let there = scope.spawn(move || {
                guest.meet(|| false).unwrap();
                guest.meet(|| false).unwrap();
            });
            host.meet(|| false).unwrap();
            host.meet(|| false).unwrap();
            there.join().unwrap();
            assert!(host.meet(|| true).is_err(), "nobody is there any more");
        });
    }
}
