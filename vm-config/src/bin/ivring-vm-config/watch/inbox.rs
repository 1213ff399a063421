//! What a watcher is told by others: news of its libvirt, and that it is to stop.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ivring_vm_config::libvirt::{Event, Happened, LibvirtError, News};

/// What comes within such a time of each other is one matter: many tools do several things to a domain at once.
const QUIET: Duration = Duration::from_millis(200);
/// And this is how long it is waited for the end of it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How many domains are remembered by name until they are looked at.
const MOST_NAMES: usize = 1024;

/// To which domains something happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// To all, as far as is known.
    pub all: bool,
    /// To these.
    pub names: BTreeSet<String>,
    /// These were reverted to a snapshot.
    pub reverted: BTreeSet<String>,
    /// These lost their configuration, though they may have a new one by now.
    pub undefined: BTreeSet<String>,
    /// More happened than is remembered, so nothing is known of who was reverted or undefined.
    pub flooded: bool,
}

/// Why a wait is over.
#[derive(Debug)]
pub enum Woken {
    /// The watcher is to stop.
    Stopped,
    /// The connection is lost.
    Lost(LibvirtError),
    /// Something happened.
    Heard(Heard),
    /// Nothing did within the time.
    Time,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    connected: bool,
    lost: Option<LibvirtError>,
    heard: Heard,
    /// When the first and the last of what was heard came.
    since: Option<(Instant, Instant)>,
}

/// What a watcher is told, in a bounded place: whoever tells it never waits for it.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

impl Heard {
    /// Everything is to be looked at.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    fn add(&mut self, event: Event) {
        let Event { domain, happened } = event;
        if self.names.len() >= MOST_NAMES {
            *self = Self { flooded: true, ..Self::everything() };
        }
        match happened {
            Happened::Reverted => drop(self.reverted.insert(domain.clone())),
            Happened::Undefined => drop(self.undefined.insert(domain.clone())),
            Happened::Other => {}
        }
        self.names.insert(domain);
    }
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `news` in.
    pub fn tell(&self, news: News) {
        let mut state = self.state();
        match news {
            News::Connected => state.connected = true,
            News::Ended(error) => state.lost = Some(error),
            News::Event(event) => state.hear(|heard| heard.add(event)),
            News::Unclear => state.hear(|heard| heard.all = true),
        }
        self.changed.notify_all();
    }

    /// The watcher is to stop.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Whether it is.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Forgets what was heard of a connection that is no more.
    pub fn clear(&self) {
        let mut state = self.state();
        *state = State { stopped: state.stopped, ..State::default() };
    }

    /// Waits for `time`, or until the watcher is to stop; says whether that is so.
    pub fn pause(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// Waits until there is a connection, at most for `time`; why there is none.
    pub fn wait_for_connection(&self, time: Duration) -> Option<LibvirtError> {
        let waits = |state: &mut State| !state.stopped && !state.connected && state.lost.is_none();
        let waited = self.changed.wait_timeout_while(self.state(), time, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.lost.take()
    }

    /// Waits until something is to be done, at most until `deadline`.
    pub fn wait(&self, deadline: Instant) -> Woken {
        let mut state = self.state();
        loop {
            if state.stopped {
                return Woken::Stopped;
            }
            let now = Instant::now();
            let settled = state.since.map(|(first, last)| (last + QUIET).min(first + LONGEST_WAIT));
            if settled.is_some_and(|settled| settled <= now) {
                state.since = None;
                return Woken::Heard(std::mem::take(&mut state.heard));
            }
            // What was heard before the connection was lost is looked at when there is one again, as all is.
            if let Some(error) = state.lost.take() {
                return Woken::Lost(error);
            }
            if deadline <= now {
                return Woken::Time;
            }
            let until = settled.map_or(deadline, |settled| settled.min(deadline));
            let waited = self.changed.wait_timeout(state, until.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn hear(&mut self, add: impl FnOnce(&mut Heard)) {
        let now = Instant::now();
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
        add(&mut self.heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize, happened: Happened) -> News {
        News::Event(Event { domain: format!("vm{number}"), happened })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn a_burst_is_one_matter() {
        let inbox = Inbox::default();
        for number in 0..50 {
            inbox.tell(event(number, if number == 7 { Happened::Reverted } else { Happened::Other }));
        }
        let Woken::Heard(heard) = inbox.wait(soon()) else { panic!("nothing heard") };
        assert_eq!((heard.names.len(), heard.all, heard.flooded), (50, false, false));
        assert_eq!(heard.reverted, BTreeSet::from(["vm7".to_owned()]));
        assert!(matches!(inbox.wait(Instant::now()), Woken::Time));
    }

    #[test]
    fn a_flood_is_bounded() {
        let inbox = Inbox::default();
        for number in 0..100_000 {
            inbox.tell(event(number, Happened::Undefined));
        }
        let Woken::Heard(heard) = inbox.wait(soon()) else { panic!("nothing heard") };
        assert!(heard.all && heard.flooded);
        assert!(heard.names.len() <= MOST_NAMES && heard.undefined.len() <= MOST_NAMES);
    }

    #[test]
    fn it_is_waited_for_the_connection_and_its_end() {
        let inbox = Inbox::default();
        inbox.tell(News::Connected);
        assert!(inbox.wait_for_connection(Duration::from_secs(30)).is_none());
        inbox.tell(News::Ended(LibvirtError::NoVirsh));
        assert!(matches!(inbox.wait(soon()), Woken::Lost(LibvirtError::NoVirsh)));
        inbox.tell(News::Unclear);
        inbox.clear();
        assert!(matches!(inbox.wait(Instant::now()), Woken::Time));
        inbox.tell(News::Ended(LibvirtError::NoVirsh));
        assert!(inbox.wait_for_connection(Duration::from_secs(30)).is_some());
    }

    #[test]
    fn stopped_is_stopped() {
        let inbox = Inbox::default();
        inbox.stop();
        inbox.clear();
        assert!(inbox.is_stopped() && inbox.pause(Duration::from_secs(30)));
        assert!(matches!(inbox.wait(soon()), Woken::Stopped));
    }
}
