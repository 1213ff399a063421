//! What `ivring-agent run` does: keeps the channel to the host, answers it, and serves the control socket.
//!
//! One thread and one loop, which takes a bounded number of things from the ring and from the socket in turn. When there
//! is nothing to do it climbs the ladder of its profile; the ladder's sleeps end early when a client or a signal comes.
//!
//! | file | what |
//! | --- | --- |
//! | `host_events` | what happens on the channel, and the answers to the host's requests |
//! | `clients` | requests on the control socket |
//! | `sends`, `calls`, `answers` | what waits: for room in the ring, for the host, for room again |
//! | `transfers` | messages in fragments, until the host has them |
//! | `room` | a device that was plugged in and has no room |
//! | `status`, `info` | what the agent tells about itself |
//! | `signals`, `error` | as they say |

mod answers;
mod calls;
mod clients;
mod error;
mod host_events;
mod info;
mod room;
mod sends;
mod signals;
mod status;
mod transfers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ivring_proto::control::{BindError, Server, Service};
use ivring_proto::memory::guard_mappings;
use ivring_proto::wait::{Ladder, Step};
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;

use crate::machine::{Machine, identify};
use crate::memory_type::MappedAs;
use crate::pci::Address;
use crate::{Guest, Options};
use answers::Answers;
use calls::Calls;
pub(crate) use error::AgentError;
use ivring_proto::console::LogBudget;
use sends::Sends;
use signals::Signals;
pub(crate) use status::{Counters, Host, State, Status};
use transfers::Transfers;

/// Log lines that the host can cause at once.
const LOG_BURST: u32 = 20;
/// While there is no region it is looked for this often.
const RETRY: Duration = Duration::from_millis(500);
/// How long `--once` waits for the host's answer: a host takes two seconds to find out whether a program that has this
/// identity already is alive.
const ANSWER: Duration = Duration::from_secs(3);
/// Events taken from the channel in one turn.
const EVENTS_A_TURN: usize = 64;
/// A busy loop looks at the control socket this often.
const CLIENTS: Duration = Duration::from_millis(1);
/// Descriptors that a sleep has room for without growing: of signals, of the control socket and of some clients.
const FEW_FDS: usize = 8;
/// Mode of the control socket's file.
const SOCKET_MODE: u32 = 0o660;

/// How to run.
#[derive(Debug)]
pub(crate) struct Config {
    /// How to join.
    pub(crate) options: Options,
    /// Ends where it would wait for the device, the region or the host before it has joined.
    pub(crate) once: bool,
    /// The control socket; `None`: where clients look for it, and it is no error when there can't be one.
    pub(crate) socket: Option<PathBuf>,
}

/// The running agent. Dropped, it says good-bye to the host.
#[derive(Debug)]
pub(crate) struct Agent {
    machine: Machine,
    options: Options,
    guest: Option<Guest>,
    /// How the host was when last heard of.
    host: Host,
    /// Why there is no guest.
    no_guest: String,
    next_try: Instant,
    /// The device for which room was made, or could not be.
    room_tried: Option<Address>,
    /// Set until attached for the first time, with `--once`.
    once: bool,
    give_up: Option<Instant>,
    server: Option<Server>,
    client_waits: bool,
    next_clients: Instant,
    signals: Signals,
    sends: Sends,
    calls: Calls,
    transfers: Transfers,
    answers: Answers,
    unheard: u64,
    budget: LogBudget,
    ladder: Ladder,
    started: Instant,
}

impl Agent {
    /// Finds out who this machine is, and opens the control socket.
    pub(crate) fn start(config: Config) -> Result<Self, AgentError> {
        let signals = Signals::catch().map_err(AgentError::Signals)?;
        guard_mappings().map_err(AgentError::Signals)?;
        let options = config.options;
        let machine = identify(&options.root, options.id, options.name.as_deref())?;
        let server = open_server(config.socket)?;
        let now = Instant::now();
        Ok(Agent {
            guest: None,
            host: Host::Alive,
            no_guest: String::new(),
            next_try: now,
            room_tried: None,
            once: config.once,
            give_up: None,
            server,
            client_waits: false,
            next_clients: now,
            signals,
            sends: Sends::default(),
            calls: Calls::default(),
            transfers: Transfers::default(),
            answers: Answers::default(),
            unheard: 0,
            budget: LogBudget::new(LOG_BURST, now),
            ladder: Ladder::new(options.profile),
            started: now,
            machine,
            options,
        })
    }

    /// Runs until a signal comes.
    pub(crate) fn run(mut self) -> Result<(), AgentError> {
        let result = self.turns();
        if let Some(server) = &mut self.server {
            // What clients are still to be told, as far as they take it at once.
            server.flush();
        }
        result
    }

    fn turns(&mut self) -> Result<(), AgentError> {
        while !self.signals.raised() {
            let now = Instant::now();
            self.open(now)?;
            self.look_for_room(now);
            if self.turn(now)? {
                self.ladder.reset();
            } else if self.guest.is_none() {
                self.sleep(now, self.next_try.saturating_duration_since(now));
            } else if let Step::Sleep(span) = self.ladder.idle() {
                self.sleep(now, span);
            }
        }
        tracing::info!("ended by a signal");
        Ok(())
    }

    /// Maps the region, when that is due.
    fn open(&mut self, now: Instant) -> Result<(), AgentError> {
        if self.guest.is_some() || now < self.next_try {
            return Ok(());
        }
        match Guest::open_as(self.machine.clone(), self.options.clone()) {
            Ok(guest) => {
                tracing::info!("found a region's memory at {}: {} bytes", guest.place(), guest.region_size());
                tell_memory(guest.mapped_as());
                self.give_up = self.once.then_some(now + ANSWER);
                self.room_tried = None;
                self.guest = Some(guest);
            }
            Err(error) if self.once || !error::can_pass(&error) => return Err(error.into()),
            Err(error) => {
                let reason = error.to_string();
                if reason != self.no_guest {
                    tracing::info!("waiting: {reason}");
                    self.no_guest = reason;
                }
                self.next_try = now + RETRY;
                self.make_room(error.lacks_room());
            }
        }
        Ok(())
    }

    /// Does what there is to do, up to a bound; says whether there was anything.
    fn turn(&mut self, now: Instant) -> Result<bool, AgentError> {
        let mut busy = self.serve_host(now)?;
        if self.client_waits || now >= self.next_clients {
            self.next_clients = now + CLIENTS;
            busy |= self.serve_clients(now);
        }
        busy |= self.retry(now);
        if busy && let Some(server) = &mut self.server {
            server.flush();
        }
        Ok(busy)
    }

    /// Sleeps until something comes, at most for `span`. This is all that an idle agent does again and again, so it makes
    /// one system call and reads no clock: the turn began at `now`.
    fn sleep(&mut self, now: Instant, span: Duration) {
        let mut fds = Vec::with_capacity(FEW_FDS);
        fds.push(self.signals.poll_fd());
        if let Some(server) = &self.server {
            if server.has_requests() {
                self.client_waits = true;
                return;
            }
            server.poll_fds(&mut fds);
        }
        // It fails with EINTR, or for want of memory: then the next turn looks at everything.
        let ready = ppoll(&mut fds, Some(TimeSpec::from_duration(span)), None);
        drop(fds);
        self.client_waits = ready != Ok(0) || self.server.as_ref().is_some_and(Server::has_more_than_fds);
        if !self.client_waits {
            // This was a look at the clients: the next turn need not ask the system again.
            self.next_clients = now + span + CLIENTS;
        }
    }
}

/// Says how the memory is mapped, and what would make it faster.
fn tell_memory(mapped: &MappedAs) {
    match mapped.remedy() {
        None => tracing::info!("mapped {mapped}"),
        Some(remedy) => tracing::warn!("mapped {mapped}; {remedy}"),
    }
}

/// Opens the control socket. Without one of its own the agent goes on, if none was asked for by name.
fn open_server(path: Option<PathBuf>) -> Result<Option<Server>, AgentError> {
    let asked = path.is_some();
    let path = path.unwrap_or_else(|| Service::Agent.path_to_serve());
    match Server::bind(&path, SOCKET_MODE) {
        Ok(server) => Ok(Some(server)),
        Err(error @ BindError::Io { .. }) if !asked => {
            tracing::warn!("no control socket, so `ivring-agent send` and others can't be used: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
