//! One program's channel to the host.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ivring_proto::layout::Geometry;
use ivring_proto::link::{
    GuestEnd, GuestEvent, GuestOptions, InvalidTopic, Kind, Received, SendError, Status, Topic, Waiting,
};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::session::{Identity, Text};
use ivring_proto::wait::{Ladder, Step};

use crate::discover::{DiscoverError, discover};
use crate::machine::{IdentifyError, Machine, identify};
use crate::{Event, Options};

/// The session is looked at this often; the ring in every round.
const LOOK: Duration = Duration::from_millis(1);

/// Why a program cannot join at all, now.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It is not known who this machine is.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
    /// No device.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The region's file cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Region {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The region's file has an impossible size.
    #[error("{} has {size} bytes, which no region has: is it one?", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl JoinError {
    /// The exit code of a command that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            JoinError::Identify(error) => error.exit_code(),
            JoinError::Discover(error) => error.exit_code(),
            JoinError::Region { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
            JoinError::Region { .. } => 5,
            JoinError::Size { .. } => 4,
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
    end: GuestEnd<MappedFile>,
    memory: MappedFile,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
    started: Instant,
    next_look: Duration,
    ladder: Ladder,
}

fn entropy() -> u64 {
    // The call fails only on kernels without getrandom(2), older than 3.17; nothing else is safe to go on with there.
    getrandom::u64().expect("the kernel has a random number generator")
}

fn map(options: &Options) -> Result<MappedFile, JoinError> {
    let Some(path) = options.region.clone() else {
        return Ok(discover(&options.root, options.pci)?.memory);
    };
    let failed = |source| JoinError::Region { path: path.clone(), source };
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size < Geometry::MIN_SIZE || !size.is_power_of_two() {
        return Err(JoinError::Size { path, size });
    }
    MappedFile::map(&file, size).map_err(failed)
}

impl Guest {
    /// Finds the region and begins to join. Does not wait for the host: messages flow after [`Event::Attached`].
    ///
    /// # Errors
    ///
    /// [`JoinError`]: no device, no permission, no identity. Most of them can pass: try again.
    pub fn open(options: Options) -> Result<Self, JoinError> {
        let machine = identify(&options.root, options.id, options.name.as_deref())?;
        let memory = map(&options)?;
        let who = GuestOptions {
            identity: Identity { uuid: machine.uuid, port: options.port },
            boot: machine.boot,
            name: Text::truncated(&machine.name),
            stale_after: options.stale_after,
        };
        Ok(Guest {
            end: GuestEnd::new(memory.clone(), who),
            machine,
            buffer: Vec::new(),
            events: VecDeque::new(),
            started: Instant::now(),
            next_look: Duration::ZERO,
            ladder: Ladder::new(options.profile),
            memory,
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

    /// Size of the region in bytes.
    pub fn region_size(&self) -> u64 {
        self.memory.size()
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
            while let Some(event) = self.end.poll(now, &mut entropy) {
                self.take_note(event);
            }
        }
        self.events.pop_front().or_else(|| self.receive(now))
    }

    fn take_note(&mut self, event: GuestEvent) {
        self.events.push_back(match event {
            GuestEvent::Waiting(waiting) => Event::Waiting(waiting),
            GuestEvent::Attached { channel, .. } => {
                let capacity = self.end.offer().map_or(0, |offer| offer.place.to_guest.capacity);
                // Half a ring is the largest record, whatever the host writes.
                self.buffer.resize(usize::try_from(capacity / 2).unwrap_or(0), 0);
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

    /// Waits for the next event, at most for `timeout`. Waits as the options' profile says.
    pub fn wait(&mut self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.poll() {
                self.ladder.reset();
                return Some(event);
            }
            let now = Instant::now();
            if now >= deadline {
                return None;
            }
            match self.ladder.idle() {
                Step::Spin | Step::Yield => {}
                Step::Sleep(span) => std::thread::sleep(span.min(deadline - now)),
            }
        }
    }

    /// Sends a message and publishes it at once; returns its id. Never blocks.
    ///
    /// # Errors
    ///
    /// Not attached, ring full, too large, or a bad topic; nothing was sent then.
    pub fn send(&mut self, topic: &str, payload: &[u8]) -> Result<u64, GuestSendError> {
        Ok(self.end.send(Topic::new(topic)?, payload)?)
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
