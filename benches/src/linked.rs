//! A host and its guests in one process, over a region of their own, and what goes between them.

use std::hint::spin_loop;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;
use ivring_guest::{Guest, GuestSendError, SendError};
use ivring_host::{Arrival, GuestInfo, Host, HostSendError, Identity, Phase, Port, Uuid};

use crate::messages::{Arrived, Inbox, Pool};
use crate::near::pin;
use crate::scratch_region::ScratchRegion;

/// Records that a receiver takes at once.
const TURN: usize = 256;
/// The topic of all messages here.
pub(crate) const TOPIC: &str = "t";
/// Without a message for this long, the other side has ended.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// As long, counted where a look at the clock would be measured.
const MOST_ROUNDS: u64 = 1 << 30;
/// Longer than any measurement: guests that nobody polls meanwhile are not missed.
const NEVER: Duration = Duration::from_secs(3600);

/// A host and guests that are attached. The region ends with it.
#[derive(Debug)]
pub struct Linked {
    /// The host.
    pub host: Host,
    /// The guests.
    pub guests: Vec<Guest>,
    pub(crate) region: ScratchRegion,
}

impl Linked {
    /// Makes a region of `size` bytes with that many channels, and attaches so many guests.
    ///
    /// # Panics
    ///
    /// When there is no room for it in /dev/shm, or the guests do not attach.
    #[must_use]
    pub fn new(size: u64, channels: u64, guests: u128) -> Self {
        let region = ScratchRegion::new();
        let path = region.path();
        let mut host = Host::open(host_options(path, size, channels)).expect("a region");
        let open = |number| Guest::open(guest_options(path, number)).expect("the region is there");
        let mut guests: Vec<_> = (1..=guests).map(open).collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        let all = guests.len();
        let attached = |guest: &GuestInfo| guest.phase == Phase::Attached;
        while host.guests().iter().filter(|guest| attached(guest)).count() < all {
            assert!(Instant::now() < deadline, "the guests do not attach");
            while host.poll().is_some() {}
            for guest in &mut guests {
                while guest.poll().is_some() {}
            }
        }
        let mut linked = Linked { host, guests, region };
        linked.breathe();
        linked
    }

    /// Lets host and guests do what they have to do besides: heartbeats, for one.
    pub fn breathe(&mut self) {
        for _ in 0..10 {
            while self.host.poll().is_some() {}
            for guest in &mut self.guests {
                while guest.poll().is_some() {}
            }
        }
    }

    /// The time of a round trip from the host to the first guest and back, of messages of `length` bytes, on the average of
    /// so many.
    ///
    /// # Panics
    ///
    /// When a message is lost or changed.
    pub fn round_trips(&mut self, trips: u64, length: usize) -> Duration {
        let Linked { host, guests, .. } = self;
        let guest = guests.first_mut().expect("one is attached");
        let who = identity(guest);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                pin(true);
                let mut answer = vec![0; length];
                while !done.load(Relaxed) {
                    let _ = guest.poll_session();
                    let mut came = false;
                    guest.receive(1, |arrival| {
                        came = copy(&arrival, &mut answer);
                        ControlFlow::Break(())
                    });
                    if came {
                        guest.send(TOPIC, &answer).expect("there is room for one");
                    } else {
                        spin_loop();
                    }
                }
            });
            let measuring = scope.spawn(|| {
                pin(false);
                let _ends = EndsWith(&done);
                let (mut sent, mut received) = (vec![0; length], vec![0; length]);
                let start = Instant::now();
                for number in 0..trips {
                    sent[..8].copy_from_slice(&number.to_le_bytes());
                    host.send(&who, TOPIC, &sent).expect("there is room for one");
                    let mut came = false;
                    let mut rounds = 0_u64;
                    while !came {
                        let _ = host.poll_sessions();
                        host.receive(1, |_, arrival| {
                            came = copy(&arrival, &mut received);
                            ControlFlow::Break(())
                        });
                        if !came {
                            spin_loop();
                            rounds += 1;
                            assert!(rounds < MOST_ROUNDS, "message {number} does not come back");
                        }
                    }
                    assert!(sent == received, "message {number} was changed");
                }
                start.elapsed()
            });
            measuring.join().expect("every message comes back")
        })
    }

    /// The time that so many messages of `length` bytes take from the first guest to the host, in batches of `batch`. Every
    /// one is checked.
    ///
    /// # Panics
    ///
    /// When a message is lost or changed, or when `length` is no multiple of 8, or 0.
    pub fn to_host(&mut self, messages: u64, length: usize, batch: u64) -> Duration {
        let Linked { host, guests, .. } = self;
        let guest = guests.first_mut().expect("one is attached");
        let pool = Pool::new(length);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                pin(true);
                let mut expected = Expected { inbox: pool.inbox() };
                let mut waiting = Waiting::default();
                while expected.count() < messages {
                    let _ = host.poll_sessions();
                    let taken = host.receive(TURN, |_, arrival| {
                        expected.take(&arrival);
                        ControlFlow::Continue(())
                    });
                    if taken == 0 {
                        waiting.nothing();
                    } else {
                        waiting.reset();
                    }
                }
                Instant::now()
            });
            let start = scope.spawn(|| {
                pin(false);
                let mut outbox = pool.outbox();
                let start = Instant::now();
                for number in 0..messages {
                    let payload = outbox.next_message();
                    // Who asks for room without a pause takes the line away that the receiver writes.
                    let mut waiting = Waiting::default();
                    while let Err(error) = guest.push(TOPIC, payload) {
                        assert!(matches!(error, GuestSendError::Send(SendError::Full { .. })), "{error}");
                        let _ = guest.poll_session();
                        guest.receive(TURN, |_| ControlFlow::Continue(()));
                        waiting.nothing();
                    }
                    if (number + 1) % batch == 0 {
                        guest.flush();
                    }
                }
                guest.flush();
                start
            });
            let start = start.join().expect("it sends");
            receiver.join().expect("every message arrives unchanged") - start
        })
    }

    /// As [`to_host`](Self::to_host), the other way.
    ///
    /// # Panics
    ///
    /// As [`to_host`](Self::to_host).
    pub fn to_guest(&mut self, messages: u64, length: usize, batch: u64) -> Duration {
        let Linked { host, guests, .. } = self;
        let guest = guests.first_mut().expect("one is attached");
        let who = identity(guest);
        let pool = Pool::new(length);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                pin(true);
                let mut expected = Expected { inbox: pool.inbox() };
                let mut waiting = Waiting::default();
                while expected.count() < messages {
                    let _ = guest.poll_session();
                    let taken = guest.receive(TURN, |arrival| {
                        expected.take(&arrival);
                        ControlFlow::Continue(())
                    });
                    if taken == 0 {
                        waiting.nothing();
                    } else {
                        waiting.reset();
                    }
                }
                Instant::now()
            });
            let start = scope.spawn(|| {
                pin(false);
                let mut outbox = pool.outbox();
                let start = Instant::now();
                for number in 0..messages {
                    let payload = outbox.next_message();
                    let mut waiting = Waiting::default();
                    while let Err(error) = host.push(&who, TOPIC, payload) {
                        assert!(matches!(error, HostSendError::Send(SendError::Full { .. })), "{error}");
                        let _ = host.poll_sessions();
                        host.receive(TURN, |_, _| ControlFlow::Continue(()));
                        waiting.nothing();
                    }
                    if (number + 1) % batch == 0 {
                        host.flush(&who);
                    }
                }
                host.flush(&who);
                start
            });
            let start = start.join().expect("it sends");
            receiver.join().expect("every message arrives unchanged") - start
        })
    }
}

/// How a host opens the region that is there, or makes it.
pub(crate) fn host_options(region: &Path, size: u64, channels: u64) -> ivring_host::Options {
    ivring_host::Options {
        size: Some(size),
        channels: Some(channels),
        stale_after: NEVER,
        ..ivring_host::Options::new(region.to_str().expect("the path is plain"))
    }
}

/// How the guest of that number joins.
pub(crate) fn guest_options(region: &Path, number: u128) -> ivring_guest::Options {
    ivring_guest::Options {
        region: Some(PathBuf::from(region)),
        id: Some(Uuid::from_u128(number)),
        name: Some(format!("guest-{number}")),
        stale_after: NEVER,
        ..ivring_guest::Options::default()
    }
}

pub(crate) fn identity(guest: &Guest) -> Identity {
    Identity { uuid: guest.machine().uuid, port: Port::agent() }
}

/// Takes a message out of the buffer that was lent.
fn copy(arrival: &Arrival<'_>, into: &mut [u8]) -> bool {
    match arrival {
        Arrival::Message { payload, .. } => {
            into.copy_from_slice(payload);
            true
        }
        _ => false,
    }
}

/// Tells another thread that this one has ended, however it did.
pub(crate) struct EndsWith<'a>(pub(crate) &'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A wait for the other side, but not for one that has ended.
#[derive(Default)]
struct Waiting {
    backoff: Backoff,
    since: Option<Instant>,
}

impl Waiting {
    fn nothing(&mut self) {
        self.backoff.snooze();
        if self.backoff.is_completed() {
            let since = *self.since.get_or_insert_with(Instant::now);
            assert!(since.elapsed() < LIMIT, "the other side does nothing any more");
        }
    }

    fn reset(&mut self) {
        self.backoff.reset();
        self.since = None;
    }
}

/// The messages that are to come. They are checked where the link has put them, which is private memory.
struct Expected<'p> {
    inbox: Inbox<'p>,
}

impl Expected<'_> {
    fn take(&mut self, arrival: &Arrival<'_>) {
        let Arrival::Message { payload, .. } = arrival else { panic!("{arrival:?} was not sent") };
        let arrived = self.inbox.check(payload);
        assert!(matches!(arrived, Ok(Arrived::Message)), "{arrived:?}");
    }

    fn count(&self) -> u64 {
        self.inbox.count()
    }
}
