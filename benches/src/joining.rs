//! Guests that join a host that is there, leave, and join again.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ivring_guest::{Event, Guest, Waiting};
use ivring_host::{Event as HostEvent, Host};

use crate::linked::{EndsWith, LIMIT, TOPIC, guest_options, host_options, identity};
use crate::moments::Moments;
use crate::near::pin;
use crate::scratch_region::ScratchRegion;

/// The guest that comes and goes.
const GUEST: u128 = 1;

/// A host for guests to join. The region ends with it.
///
/// What is measured begins with [`Guest::open`] and ends when the host has the guest's first message. It is checked that both
/// sides name the same channel, and who the message comes from.
#[derive(Debug)]
pub struct Joining {
    host: Host,
    moments: Moments,
    region: ScratchRegion,
}

impl Joining {
    /// Makes a region of 8 MiB with 15 channels, all of them free.
    ///
    /// # Panics
    ///
    /// When there is no room for it in /dev/shm.
    #[must_use]
    pub fn new() -> Self {
        let region = ScratchRegion::new();
        let host = Host::open(host_options(region.path(), 8 << 20, 15)).expect("a region");
        Joining { host, moments: Moments::default(), region }
    }

    /// The time of so many joins, one after the other, host and guest polled in turns on one processor. The host has seen
    /// that the last guest left before the next one comes, which it does at any moment between two of the host's looks.
    ///
    /// # Panics
    ///
    /// When a guest does not get its channel, or its message does not arrive.
    pub fn in_turns(&mut self, joins: u64) -> Duration {
        let Joining { host, moments, region } = self;
        on_one_processor(|| {
            let mut host_says = || host.poll().map(|event| (Instant::now(), event));
            joins_one_by_one(region, joins, moments, &mut host_says)
        })
    }

    /// As [`in_turns`](Self::in_turns), host and guest on a processor each.
    ///
    /// # Panics
    ///
    /// As [`in_turns`](Self::in_turns).
    pub fn on_two_processors(&mut self, joins: u64) -> Duration {
        let Joining { host, moments, region } = self;
        let done = AtomicBool::new(false);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let ends = EndsWith(&done);
            let joining = scope.spawn(move || {
                pin(false);
                let _ends = ends;
                joins_one_by_one(region, joins, moments, &mut || told.try_recv().ok())
            });
            scope.spawn(|| {
                pin(true);
                while !done.load(Relaxed) {
                    if let Some(event) = host.poll() {
                        // Nobody listens any more only when the other side has failed, which shows there.
                        let _ = tell.send((Instant::now(), event));
                    }
                }
            });
            joining.join().expect("each guest joins")
        })
    }

    /// The time in which a guest leaves and joins again, so many times: nobody waits until the host has seen that it left.
    /// It must get the channel that it had. In turns on one processor.
    ///
    /// # Panics
    ///
    /// As [`in_turns`](Self::in_turns).
    pub fn again(&mut self, joins: u64) -> Duration {
        let Joining { host, moments, region } = self;
        on_one_processor(|| {
            let mut host_says = || host.poll().map(|event| (Instant::now(), event));
            let (mut guest, channel, _) = join(region, u64::MAX, &mut host_says);
            let mut all = Duration::ZERO;
            for number in 0..joins {
                stay(&mut guest, moments.next(), &mut host_says);
                let start = Instant::now();
                drop(guest);
                let (next, its_channel, arrived) = join(region, number, &mut host_says);
                all += arrived - start;
                assert_eq!(its_channel, channel, "it had another channel before");
                guest = next;
            }
            leave(guest, moments.next(), &mut host_says);
            all
        })
    }
}

impl Default for Joining {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a host's events come from, with the time of each.
type HostSays<'a> = dyn FnMut() -> Option<(Instant, HostEvent)> + 'a;

fn on_one_processor(measure: impl FnOnce() -> Duration + Send) -> Duration {
    thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            pin(false);
            measure()
        });
        measuring.join().expect("each guest joins")
    })
}

fn joins_one_by_one(
    region: &ScratchRegion,
    joins: u64,
    moments: &mut Moments,
    host_says: &mut HostSays<'_>,
) -> Duration {
    let mut all = Duration::ZERO;
    for number in 0..joins {
        let start = Instant::now();
        let (guest, _, arrived) = join(region, number, host_says);
        all += arrived - start;
        leave(guest, moments.next(), host_says);
    }
    all
}

/// A guest joins and sends `number`. Returns it, its channel, and when the message was there.
fn join(region: &ScratchRegion, number: u64, host_says: &mut HostSays<'_>) -> (Guest, u64, Instant) {
    let mut guest = Guest::open(guest_options(region.path(), GUEST)).expect("the region is there");
    let who = identity(&guest);
    let deadline = Instant::now() + LIMIT;
    let (mut given, mut got) = (None, None);
    loop {
        assert!(Instant::now() < deadline, "join {number}: the host gave {given:?}, the guest got {got:?}");
        while let Some((when, event)) = host_says() {
            match event {
                HostEvent::Attached { guest, channel, .. } if guest == who => given = Some(channel),
                // The session before this one.
                HostEvent::Detached { guest, .. } if guest == who && given.is_none() => {}
                HostEvent::Message { guest: sender, payload, .. } => {
                    assert!(sender == who && payload == number.to_le_bytes(), "{sender}: {payload:?}");
                    assert!(given.is_some() && given == got, "given {given:?}, got {got:?}");
                    return (guest, got.expect("it is as it was given"), when);
                }
                event => panic!("join {number}: {event:?}"),
            }
        }
        while let Some(event) = guest.poll() {
            match event {
                Event::Attached { channel } => {
                    got = Some(channel);
                    guest.send(TOPIC, &number.to_le_bytes()).expect("there is room for one");
                }
                // Told when something else has the processor for long.
                Event::Waiting(Waiting::Host) => {}
                event => panic!("join {number}: {event:?}"),
            }
        }
    }
}

/// Nothing happens for so long.
fn stay(guest: &mut Guest, pause: Duration, host_says: &mut HostSays<'_>) {
    let start = Instant::now();
    while start.elapsed() < pause {
        let (told, heard) = (host_says(), guest.poll());
        assert!(told.is_none() && heard.is_none(), "nothing happens: {told:?}, {heard:?}");
    }
}

/// The guest leaves, the host notices, and then there is nobody for so long.
fn leave(guest: Guest, pause: Duration, host_says: &mut HostSays<'_>) {
    let who = identity(&guest);
    drop(guest);
    let mut since = Instant::now();
    let (mut noticed, mut limit) = (false, LIMIT);
    while since.elapsed() < limit {
        match host_says() {
            Some((_, HostEvent::Detached { guest, .. })) if guest == who && !noticed => {
                (noticed, since, limit) = (true, Instant::now(), pause);
            }
            Some((_, event)) => panic!("the guest only left: {event:?}"),
            None => {}
        }
    }
    assert!(noticed, "the host does not notice that the guest left");
}
