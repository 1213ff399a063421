//! One program's channel to the host.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ivring_proto::layout::{NAME_LEN, read_superblock};
use ivring_proto::link::{
    Counters, GuestEnd, GuestEvent, GuestOptions, InvalidTopic, Kind, Received, SendError, Status, Topic,
    Waiting,
};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::session::{Identity, Text};
use ivring_proto::wait::{Ladder, Step};

use crate::machine::{IdentifyError, Machine, identify};
use crate::region::{MapError, Place, Region};
use crate::{Event, Options};

/// The session is looked at this often; the ring in every round.
const LOOK: Duration = Duration::from_millis(1);
/// The path of the region's file is looked at this often.
const FILE_LOOK: Duration = Duration::from_secs(1);
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

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuestSendError {
    /// The topic is none.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The link refused.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// One program's channel to the host. Nothing here blocks but [`wait`](Self::wait) and [`join`](Self::join).
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    options: Options,
    region: Region,
    region_name: Text<NAME_LEN>,
    end: GuestEnd<MappedFile>,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
    started: Instant,
    next_look: Duration,
    next_file_look: Duration,
    /// Where the inbound ring stood when that was last asked for.
    position: u64,
    ladder: Ladder,
}

fn entropy() -> u64 {
    // The call fails only on kernels without getrandom(2), older than 3.17; nothing else is safe to go on with there.
    getrandom::u64().expect("the kernel has a random number generator")
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
            machine,
            buffer: Vec::new(),
            events: VecDeque::new(),
            started: Instant::now(),
            next_look: Duration::ZERO,
            next_file_look: FILE_LOOK,
            position: 0,
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
        self.region.memory.size()
    }

    /// Name of the region, as the host wrote it; empty before the first [`Event::Attached`].
    pub fn region_name(&self) -> &str {
        self.region_name.as_str()
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
    pub fn end(&mut self) -> &mut GuestEnd<MappedFile> {
        &mut self.end
    }

    /// The next event, if there is one now.
    ///
    /// A message returned here counts as done with at the next call; until then a crash brings it back, marked.
    pub fn poll(&mut self) -> Option<Event> {
        let now = self.started.elapsed();
        if now >= self.next_look {
            self.next_look = now + LOOK;
            self.look(now);
        }
        self.events.pop_front().or_else(|| self.receive(now))
    }

    /// The session and the file: everything but the rings.
    fn look(&mut self, now: Duration) {
        if now >= self.next_file_look {
            self.next_file_look = now + FILE_LOOK;
            self.follow_file();
        }
        for _ in 0..EVENTS_A_LOOK {
            let Some(event) = self.end.poll(now, &mut entropy) else { return };
            self.take_note(event);
        }
    }

    /// Joins anew where the region's path leads to another file by now. The host of the old one, if there is one yet, is
    /// told.
    fn follow_file(&mut self) {
        if let Some(region) = self.region.successor() {
            self.end.bye();
            self.end = begin(&region, &self.machine, &self.options);
            self.region = region;
            self.events.push_back(Event::RegionReplaced);
        }
    }

    fn take_note(&mut self, event: GuestEvent) {
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
            GuestEvent::Superseded => Event::Superseded,
        });
    }

    fn receive(&mut self, now: Duration) -> Option<Event> {
        match self.end.receive(now, &mut self.buffer) {
            Ok(received) => received.map(|received| received_event(&received)),
            Err(error) => Some(Event::Fault(error)),
        }
    }

    /// Whether records came since this was last asked, those included that poll answers by itself.
    pub(crate) fn has_moved(&mut self) -> bool {
        let position = self.end.link().map_or(0, |link| link.rx().position());
        std::mem::replace(&mut self.position, position) != position
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

    /// What passed through, in all sessions so far.
    pub fn counters(&self) -> Counters {
        self.end.counters()
    }

    /// Largest payload of a message on `topic`, in bytes; 0 when not attached.
    pub fn max_payload(&mut self, topic: &str) -> usize {
        self.end.link().map_or(0, |link| link.max_payload(topic.len()))
    }

    /// Sends a message and publishes it at once; returns its id. Never blocks.
    ///
    /// # Errors
    ///
    /// Not attached, ring full, too large, or a bad topic; nothing was sent then.
    pub fn send(&mut self, topic: &str, payload: &[u8]) -> Result<u64, GuestSendError> {
        let id = self.push(topic, payload)?;
        self.flush();
        Ok(id)
    }

    /// Sends a message in the open batch, which [`flush`](Self::flush) publishes; as [`send`](Self::send) otherwise.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push(&mut self, topic: &str, payload: &[u8]) -> Result<u64, GuestSendError> {
        let topic = Topic::new(topic)?;
        let link = self.end.link().ok_or(SendError::NotAttached)?;
        Ok(link.send(topic, payload)?)
    }

    /// Publishes what was pushed.
    pub fn flush(&mut self) {
        if let Some(link) = self.end.link() {
            link.flush();
        }
    }

    /// Sends a request named `id`; its response is an [`Event::Response`] with the same id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn request(&mut self, id: u64, topic: &str, payload: &[u8]) -> Result<(), GuestSendError> {
        let topic = Topic::new(topic)?;
        let link = self.end.link().ok_or(SendError::NotAttached)?;
        link.request(id, topic, payload)?;
        link.flush();
        Ok(())
    }

    /// Answers the request `id`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn respond(&mut self, id: u64, status: Status, payload: &[u8]) -> Result<(), SendError> {
        self.end.respond(id, status, payload)
    }

    /// Sends a ping named `id`; its answer is an [`Event::Pong`] with the same id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, id: u64, payload: &[u8]) -> Result<(), SendError> {
        let link = self.end.link().ok_or(SendError::NotAttached)?;
        link.ping(id, payload)?;
        link.flush();
        Ok(())
    }
}

fn begin(region: &Region, machine: &Machine, options: &Options) -> GuestEnd<MappedFile> {
    let who = GuestOptions {
        identity: Identity { uuid: machine.uuid, port: options.port },
        boot: machine.boot,
        name: Text::truncated(&machine.name),
        stale_after: options.stale_after,
    };
    GuestEnd::new(region.memory.clone(), who)
}

impl Drop for Guest {
    /// Says good-bye: the host frees the channel.
    fn drop(&mut self) {
        self.end.bye();
    }
}

fn received_event(received: &Received<'_>) -> Event {
    let Received { kind, id, status, redelivered, .. } = *received;
    let (topic, payload) = (received.topic.to_owned(), received.payload.to_vec());
    match kind {
        Kind::Request => Event::Request { id, topic, payload },
        Kind::Response => Event::Response { id, status, payload },
        Kind::Pong | Kind::Ping => Event::Pong { id },
        Kind::Message => Event::Message { topic, payload, id, redelivered },
    }
}
