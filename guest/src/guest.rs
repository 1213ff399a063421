//! One program's channel to the host.

mod arriving;
mod sending;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ivring_proto::layout::{NAME_LEN, read_superblock};
use ivring_proto::link::{Budget, Exchange, GuestEnd, GuestEvent, GuestOptions, Incarnation, Waiting};
use ivring_proto::memory::MixedMapping;
use ivring_proto::session::{Identity, Text};
use ivring_proto::wait::{Ladder, Step};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

use crate::machine::{IdentifyError, Machine, identify};
use crate::memory_type::MappedAs;
use crate::region::{AtPath, MapError, Place, Region, RegionLost};
use crate::{Event, Options};

pub use arriving::Batch;
pub use sending::GuestSendError;

/// The session is looked at this often; the ring in every round.
const LOOK: Duration = Duration::from_millis(1);
/// The path of the region's file is looked at this often.
const FILE_LOOK: Duration = Duration::from_secs(1);
/// After a mapping was refused, it is tried again.
const RESHAPE_AGAIN: Duration = Duration::from_secs(10);
/// Events of the session taken in one look: more wait for the next.
const EVENTS_A_LOOK: usize = 8;

/// Why a program cannot join at all, now.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It is not known who this machine is.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
    /// The region can't be mapped.
    #[error(transparent)]
    Map(#[from] MapError),
}

impl JoinError {
    /// The exit code of a command that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            JoinError::Identify(error) => error.exit_code(),
            JoinError::Map(error) => error.exit_code(),
        }
    }
}

/// One program's channel to the host. Nothing here blocks but [`wait`](Self::wait) and [`join`](Self::join).
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    options: Options,
    region: Region,
    region_name: Text<NAME_LEN>,
    /// How the region was lost, until one is found again.
    lost: Option<RegionLost>,
    end: GuestEnd<MixedMapping>,
    /// What is under way.
    exchange: Exchange,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
    started: Instant,
    /// Time of the last look at the clock.
    now: Duration,
    next_look: Duration,
    next_file_look: Duration,
    next_reshape: Duration,
    /// Epoch of the host that the session was last used with.
    host_epoch: u64,
    /// Where the inbound ring stood when that was last asked for.
    position: u64,
    /// Whether fragments were sent since that was last asked for.
    moved: bool,
    ladder: Ladder,
}

/// A random word from the kernel's generator, with the time mixed in.
///
/// Two machines that were restored from one snapshot hold the same generator until their kernels seed it anew, and would
/// draw the same nonces and heartbeats, by which they are to be told apart. They do not draw at the same nanosecond.
fn entropy() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The digits that differ are the low ones, and the low half of a word is what a heartbeat takes.
    kernels_word() ^ u64::from(time.subsec_nanos())
}

/// A random word from the kernel's generator.
///
/// By the system call itself: what stands for it in a static program waits for `/dev/random`, which in a guest without
/// RDRAND that has just booted can take for ever, while the call makes the kernel gather what it lacks (Linux 5.4).
fn kernels_word() -> u64 {
    let mut word = [0; size_of::<u64>()];
    loop {
        match rustix::rand::getrandom(&mut word, GetRandomFlags::empty()) {
            // Up to 256 bytes come all at once: random(7).
            Ok(_) => return u64::from_ne_bytes(word),
            Err(Errno::INTR) => {}
            // Only from kernels older than 3.17; nothing else is safe to go on with there.
            Err(error) => panic!("the kernel has no random number generator: {error}"),
        }
    }
}

impl Guest {
    /// Finds the region and begins to join. Does not wait for the host: messages flow after [`Event::Attached`].
    ///
    /// # Errors
    ///
    /// [`JoinError`]: no device, no permission, no identity. Most of them can pass: try again.
    pub fn open(options: Options) -> Result<Self, JoinError> {
        let machine = identify(&options.root, options.id, options.name.as_deref())?;
        Ok(Self::open_as(machine, options)?)
    }

    /// As [`open`](Self::open), where it is known already who this machine is.
    pub(crate) fn open_as(machine: Machine, options: Options) -> Result<Self, MapError> {
        let region = Region::map(&options)?;
        Ok(Guest {
            end: begin(&region, &machine, &options),
            region,
            region_name: Text::EMPTY,
            lost: None,
            machine,
            buffer: Vec::new(),
            events: VecDeque::new(),
            started: Instant::now(),
            now: Duration::ZERO,
            next_look: Duration::ZERO,
            next_file_look: FILE_LOOK,
            next_reshape: Duration::ZERO,
            host_epoch: 0,
            position: 0,
            moved: false,
            // One channel: what one message may have is all that there is to put together.
            exchange: Exchange::new(options.max_message, Budget::new(options.max_message)),
            ladder: Ladder::new(options.profile),
            options,
        })
    }

    /// Finds the region, joins and waits until attached, however long that takes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn join(options: Options) -> Result<Self, JoinError> {
        let mut guest = Self::open(options)?;
        while !guest.is_attached() {
            // Nothing but the session's own events can come before that, and they are not kept.
            let _ = guest.wait(Duration::from_secs(1));
        }
        Ok(guest)
    }

    /// Who this machine is.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// How it joined.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Where the region is.
    pub fn place(&self) -> &Place {
        &self.region.place
    }

    /// Size of the region in bytes.
    pub fn region_size(&self) -> u64 {
        self.region.size
    }

    /// How the region is mapped: its memory type, and why that.
    pub fn mapped_as(&self) -> &MappedAs {
        &self.region.mapped_as
    }

    /// Name of the region, as the host wrote it; empty before the first [`Event::Attached`].
    pub fn region_name(&self) -> &str {
        self.region_name.as_str()
    }

    /// How the region's memory was taken away, while none is found again.
    pub fn lost(&self) -> Option<&RegionLost> {
        self.lost.as_ref()
    }

    /// True while messages flow.
    pub fn is_attached(&self) -> bool {
        self.end.is_attached()
    }

    /// What is being waited for, when not attached.
    pub fn waiting(&self) -> Option<&Waiting> {
        self.end.waiting()
    }

    /// The channel's two ends, for its counters and the session's details.
    pub fn end(&mut self) -> &mut GuestEnd<MixedMapping> {
        &mut self.end
    }

    /// The session and the file: everything but the rings.
    fn look(&mut self, now: Duration) {
        if now >= self.next_file_look {
            self.next_file_look = now + FILE_LOOK;
            self.follow_file();
        }
        if self.lost.is_none() && !self.end.is_attached() && now >= self.next_reshape {
            self.follow_rings(now);
        }
        for _ in 0..EVENTS_A_LOOK {
            let event = if self.lost.is_none() { self.end.poll(now, &mut entropy) } else { None };
            // Before anything is made of what stands in memory that is the region's no longer: of a device that has gone
            // every word reads as all ones, which looks like damage.
            if self.lost.is_none()
                && let Some(lost) =
                    self.region.lost().or_else(|| event.as_ref().and_then(|_| self.region.unplugged()))
            {
                self.lose(lost);
                break;
            }
            let Some(event) = event else { break };
            self.take_note(event);
        }
        self.exchange.expire(now);
        self.take_outcomes();
    }

    /// Joins anew where the region's path leads to another file by now, or where one is found after it was lost. The host
    /// of the old one, if there is one yet, is told.
    fn follow_file(&mut self) {
        if self.lost.is_some() {
            if let Ok(region) = Region::map(&self.options) {
                self.lost = None;
                self.join_another(region, Event::RegionFound);
            }
            return;
        }
        match self.region.look(&self.options) {
            AtPath::Same => {}
            AtPath::Lost(lost) => self.lose(lost),
            AtPath::Another(region) => {
                self.end.bye();
                self.exchange.end();
                self.join_another(region, Event::RegionReplaced);
            }
        }
    }

    fn join_another(&mut self, region: Region, event: Event) {
        self.end = begin(&region, &self.machine, &self.options);
        self.region = region;
        self.events.push_back(event);
    }

    /// Gives the region up and touches it no more.
    fn lose(&mut self, lost: RegionLost) {
        self.exchange.end();
        self.take_outcomes();
        // An end that has not begun: without a session nothing is sent or received, and it is not polled.
        self.end = begin(&self.region, &self.machine, &self.options);
        self.lost = Some(lost.clone());
        self.events.push_back(Event::RegionLost(lost));
    }

    /// Maps the region anew where its rings begin elsewhere than they did: with memory types that go by pages, after the host
    /// has formatted it.
    fn follow_rings(&mut self, now: Duration) {
        match self.region.reshaped() {
            Ok(None) => {}
            Ok(Some(region)) => {
                self.end.bye();
                self.end = begin(&region, &self.machine, &self.options);
                self.region = region;
            }
            Err(error) => {
                tracing::warn!("{error}");
                self.next_reshape = now + RESHAPE_AGAIN;
            }
        }
    }

    /// The session begins to be used.
    fn begin_exchange(&mut self) {
        let Some((nonce, version)) = self.end.offer().map(|offer| (offer.nonce, offer.version)) else {
            return;
        };
        self.exchange.begin(Incarnation::of(nonce), version);
        if let (Some(link), Some(window)) = (self.end.link(), self.options.repeat_window) {
            link.rx().set_release_window(window);
        }
        self.host_epoch = self.end.host_epoch().unwrap_or(0);
    }

    /// Another host goes on with the session, if it is another.
    fn host_is_there(&mut self) {
        let epoch = self.end.host_epoch().unwrap_or(0);
        if epoch == self.host_epoch || epoch == 0 {
            return;
        }
        self.host_epoch = epoch;
        if let Some(link) = self.end.link() {
            self.exchange.peer_is_being_replaced(Incarnation::of(epoch), link);
        }
    }

    fn take_note(&mut self, event: GuestEvent) {
        match event {
            GuestEvent::Attached { .. } => self.begin_exchange(),
            GuestEvent::HostRestarted | GuestEvent::HostBack => self.host_is_there(),
            GuestEvent::Detached(_) | GuestEvent::Fault(_) | GuestEvent::Superseded => self.exchange.end(),
            GuestEvent::Waiting(_) | GuestEvent::HostAway | GuestEvent::HostStale => {}
        }
        self.take_outcomes();
        self.events.push_back(match event {
            GuestEvent::Waiting(waiting) => Event::Waiting(waiting),
            GuestEvent::Attached { channel, .. } => {
                let capacity = self.end.offer().map_or(0, |offer| offer.place.to_guest.capacity);
                // Half a ring is the largest record, whatever the host writes. A new vector of zeros takes no memory
                // before it is used, one that is resized does.
                self.buffer = vec![0; usize::try_from(capacity / 2).unwrap_or(0)];
                let superblock = read_superblock(&self.region.memory);
                self.region_name = superblock.map_or(Text::EMPTY, |superblock| superblock.name);
                Event::Attached { channel }
            }
            GuestEvent::HostRestarted => Event::HostRestarted,
            GuestEvent::HostAway => Event::HostAway,
            GuestEvent::HostStale => Event::HostStale,
            GuestEvent::HostBack => Event::HostBack,
            GuestEvent::Detached(reason) => Event::Detached(reason),
            GuestEvent::Fault(error) => Event::Fault(error),
            GuestEvent::Superseded => Event::Superseded,
        });
    }

    /// Whether something was received or sent since this was last asked: also what is no event, such as a fragment or a
    /// ping. A loop of one's own that sleeps does not while this is so; [`wait`](Self::wait) sees to it itself.
    pub fn has_moved(&mut self) -> bool {
        let position = self.end.link().map_or(0, |link| link.rx().position());
        let received = std::mem::replace(&mut self.position, position) != position;
        std::mem::take(&mut self.moved) || received
    }

    /// Waits for the next event, at most for `timeout`. Waits as the options' profile says.
    pub fn wait(&mut self, timeout: Duration) -> Option<Event> {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.poll() {
                self.ladder.reset();
                return Some(event);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return None;
            }
            if self.has_moved() {
                self.ladder.reset();
            }
            match self.ladder.idle() {
                Step::Spin | Step::Yield => {}
                Step::Sleep(span) => std::thread::sleep(span.min(left)),
            }
        }
    }
}

fn begin(region: &Region, machine: &Machine, options: &Options) -> GuestEnd<MixedMapping> {
    let who = GuestOptions {
        identity: Identity { uuid: machine.uuid, port: options.port },
        boot: machine.boot,
        name: Text::truncated(&machine.name),
        stale_after: options.stale_after,
    };
    GuestEnd::new(region.memory.clone(), who).with_caching(region.mapped_as.caching())
}

impl Drop for Guest {
    /// Says good-bye: the host frees the channel. What it had received or published is dealt with; messages that still go
    /// over in fragments are dropped, and nobody is told: wait for their events before.
    fn drop(&mut self) {
        self.end.bye();
    }
}
