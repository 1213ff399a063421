//! The loop: regions and clients in turn, and sleep when there is nothing.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ivring_proto::wait::{Ladder, Profile, Step};

use super::error::DaemonError;
use super::notify;
use super::regions::Regions;
use super::signals::Signals;
use crate::desk::{Desk, Every, LogLimit};

/// Records taken from one region before the next one's turn.
const RECORDS_A_TURN: usize = 256;
/// Patterns are looked through this often.
const APPEARANCES: Duration = Duration::from_secs(1);
/// How long to deliver what has arrived, when the daemon leaves.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything the daemon serves.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) regions: Regions,
    pub(super) desk: Desk,
    pub(super) limit: LogLimit,
    profile: Profile,
    signals: Signals,
}

impl Daemon {
    pub(super) fn new(regions: Regions, desk: Desk, signals: Signals, profile: Profile) -> Self {
        Daemon { regions, desk, limit: LogLimit::default(), profile, signals }
    }

    /// Serves until a signal asks to leave.
    ///
    /// # Errors
    ///
    /// When no named region is left, or the system cannot be waited on.
    pub(super) fn run(mut self) -> Result<(), DaemonError> {
        self.desk.meet(&self.regions);
        let mut ladder = Ladder::new(self.profile);
        let mut appearances = Every::new(APPEARANCES);
        while !self.signals.asked() {
            let mut busy = self.take_events()?;
            let now = Instant::now();
            if appearances.is_due(now) {
                self.regions.look_for_new();
                notify::alive();
                self.desk.meet(&self.regions);
            }
            busy |= self.desk.turn(&mut self.regions, now);
            if busy {
                ladder.reset();
                continue;
            }
            match ladder.idle() {
                Step::Spin | Step::Yield => {}
                Step::Sleep(span) => {
                    self.desk.sleep(span, Some(self.signals.as_fd())).map_err(DaemonError::Wait)?;
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Takes what guests did, and says whether they did anything.
    fn take_events(&mut self) -> Result<bool, DaemonError> {
        let mut any = false;
        let mut lost = Vec::new();
        for index in 0..self.regions.all().len() {
            // At most what one look at the sessions found.
            while let Some(event) = self.regions.all_mut()[index].host.poll_sessions() {
                any = true;
                if let Some(reason) = self.take_event(index, event) {
                    lost.push((self.regions.all()[index].id, reason));
                }
            }
            // After the events: nothing of a guest is told before that it has attached.
            any |= self.receive(index, RECORDS_A_TURN);
        }
        for (region, reason) in lost {
            self.desk.closed(region);
            self.regions.close(region, &reason)?;
        }
        Ok(any)
    }

    /// Delivers what has arrived to those who listen, tells the guests, and closes everything.
    fn leave(mut self) {
        notify::stopping();
        tracing::info!("leaving; guests keep their sessions for the next ivringd");
        let deadline = Instant::now() + PATIENCE;
        // With nobody to take them, messages are better left in the rings.
        while self.desk.has_listeners() && Instant::now() < deadline && self.take_events().unwrap_or(false) {}
        self.desk.end_all(&mut self.regions);
        for served in self.regions.take() {
            served.host.leave(Duration::ZERO, |_| {});
        }
        self.desk.write_out(deadline);
    }
}
