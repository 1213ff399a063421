//! The control desk: serves control clients for one host or for many, in the loop of whoever owns the hosts.
//!
//! It has no thread and never waits. Its owner calls [`Desk::turn`] in its loop, and shows it what guests do.
//!
//! | file | what |
//! | --- | --- |
//! | `hosts` | the hosts that it works on |
//! | `events`, `names` | what guests do, told to those who listen |
//! | `requests`, `request_error`, `roster` | what clients ask, why it is not done, and whom they mean |
//! | `expected` | answers of guests that clients wait for |
//! | `sends`, `waiting_sends` | messages to guests, and those that wait for room |
//! | `answers`, `serving` | the answers to guests' own requests, and the clients that serve some topics |
//! | `log_limit` | how often a guest is heard in the log |

mod answers;
mod events;
mod every;
mod expected;
mod hosts;
mod log_limit;
mod names;
mod request_error;
mod requests;
mod roster;
mod sends;
mod serving;
mod waiting_sends;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ivring_proto::control::{Code, GuestIdentity, Response, Sent, Server};
use ivring_proto::session::Identity;
use ivring_proto::wait::Profile;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::time::TimeSpec;

use answers::GuestAnswers;
pub(crate) use every::Every;
use expected::{Expected, What};
pub(crate) use hosts::{Hosts, RegionId};
pub(crate) use log_limit::{Kind, LogLimit};
use names::Names;
use request_error::RequestError;
use serving::Serving;
use waiting_sends::WaitingSends;

/// Owner and group may connect, nobody else.
pub(crate) const SOCKET_MODE: u32 = 0o660;
/// A busy loop looks for clients this often: the look is a system call, and rings are polled without one.
const CLIENTS: Duration = Duration::from_micros(50);
/// Deadlines of clients are looked at this often.
const DEADLINES: Duration = Duration::from_millis(10);
/// What clients that have gone waited for is forgotten this often.
const GONE: Duration = Duration::from_secs(1);
/// How long a client waits for a channel to be freed, and for a message in fragments to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// What serves the clients of a control socket.
#[derive(Debug)]
pub(crate) struct Desk {
    server: Server,
    expected: Expected,
    waiting: WaitingSends,
    answers: Vec<GuestAnswers>,
    serving: Serving,
    /// Whether guests' requests are answered here; if not, the owner answers them.
    answers_guests: bool,
    /// Guests for which messages were pushed and not flushed yet.
    unflushed: Vec<(RegionId, Identity)>,
    names: Names,
    limit: LogLimit,
    profile: Profile,
    started: Instant,
    /// Messages that no listener took.
    unheard: u64,
    clients: Every,
    deadlines: Every,
    gone: Every,
}

impl Desk {
    /// A desk for the clients of `server`; `profile` is how its owner waits.
    pub(crate) fn new(server: Server, profile: Profile) -> Self {
        Desk {
            server,
            expected: Expected::default(),
            waiting: WaitingSends::default(),
            answers: Vec::new(),
            serving: Serving::default(),
            answers_guests: true,
            unflushed: Vec::new(),
            names: Names::default(),
            limit: LogLimit::default(),
            profile,
            started: Instant::now(),
            unheard: 0,
            clients: Every::new(CLIENTS),
            deadlines: Every::new(DEADLINES),
            gone: Every::new(GONE),
        }
    }

    /// A desk for a host whose guests' requests the owner answers itself.
    pub(crate) fn beside_a_program(server: Server, profile: Profile) -> Self {
        Desk { answers_guests: false, ..Desk::new(server, profile) }
    }

    /// Learns of hosts that it has not seen yet. Nothing of a host may be shown to it before.
    pub(crate) fn meet(&mut self, hosts: &impl Hosts) {
        for (region, host) in hosts.all() {
            self.names.meet(region, host);
        }
    }

    /// A guest as clients are told of it.
    pub(crate) fn who(&self, region: RegionId, guest: &Identity) -> GuestIdentity {
        self.names.who(region, guest)
    }

    /// Gives up what is waited for in a region that is no more.
    pub(crate) fn closed(&mut self, region: RegionId) {
        for (guest, what, waiter) in self.expected.of_region(region) {
            self.give_up(region, &guest, what, waiter);
        }
        self.serving.closed(region);
        self.answers.retain(|queue| !queue.is_in(region));
        self.names.closed(region);
    }

    /// Does what clients ask and what there is to go on with, and writes what they are to read. Says whether there was
    /// anything to do.
    pub(crate) fn turn(&mut self, hosts: &mut impl Hosts, now: Instant) -> bool {
        let mut busy = false;
        if self.clients.is_due(now) {
            busy |= self.serve_clients(hosts, now);
        }
        // Answers first: they were owed before.
        busy |= self.retry_answers(hosts);
        busy |= self.retry_sends(hosts);
        if self.deadlines.is_due(now) {
            self.end_waiting(hosts, now);
        }
        if self.gone.is_due(now) {
            let server = &self.server;
            let unasked = self.expected.keep_clients(|client| server.is_connected(client));
            for (region, guest, number) in unasked {
                // Else it would be kept until its deadline, and clients may come and go.
                if let Some(host) = hosts.host(region) {
                    host.give_up(&guest, number);
                }
            }
            self.waiting.keep_clients(|client| server.is_connected(client));
            self.give_up_serving(hosts);
        }
        self.flush(hosts);
        busy
    }

    /// Sleeps until a client comes, something can be read from `other`, or the time is over. Blocks.
    ///
    /// # Errors
    ///
    /// When the system cannot wait.
    pub(crate) fn sleep(&mut self, span: Duration, other: Option<BorrowedFd<'_>>) -> io::Result<()> {
        if self.server.has_requests() {
            self.clients.due_at(Instant::now());
            return Ok(());
        }
        let mut fds: Vec<PollFd<'_>> =
            other.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
        self.server.poll_fds(&mut fds);
        let ready = ppoll(&mut fds, Some(TimeSpec::from_duration(span)), None);
        drop(fds);
        let now = Instant::now();
        // Whatever wakes us is looked at then, however short ago the last look was. A sleep that ends by itself was a look,
        // and the next turn need not ask the system again.
        let silent = ready == Ok(0) && !self.server.has_more_than_fds();
        self.clients.due_at(if silent { now + CLIENTS } else { now });
        match ready {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether anybody listens to what guests send.
    pub(crate) fn has_listeners(&self) -> bool {
        self.server.has_listeners()
    }

    /// Publishes what was pushed, and writes what clients are to read: before anything blocks nothing is held.
    fn flush(&mut self, hosts: &mut impl Hosts) {
        for (region, guest) in self.unflushed.drain(..) {
            if let Some(host) = hosts.host(region) {
                host.flush(&guest);
            }
        }
        self.server.flush();
    }

    /// Answers those who have waited long enough.
    fn end_waiting(&mut self, hosts: &mut impl Hosts, now: Instant) {
        for (what, client, id) in self.expected.overdue(now) {
            // It was begun and will end: the guest's last messages are still on their way, or the fragments to it.
            let done = match what {
                What::Delivery(message) => Response::carrying(id, &Sent { message }),
                What::Eviction(_) | What::Answer(_) => Response::done(id),
            };
            self.server.reply(client, &Response { code: Code::Pending, ..done }, &[]);
        }
        self.end_sends(hosts, now);
    }

    /// Answers everybody who still waits: the owner leaves.
    pub(crate) fn end_all(&mut self, hosts: &mut impl Hosts) {
        for waiter in self.expected.all().into_iter().filter(|waiter| !waiter.early) {
            self.server.reply(waiter.client, &RequestError::Leaving.response(waiter.id), &[]);
        }
        for send in self.waiting.take().into_iter().flat_map(|queue| queue.sends) {
            self.server.reply(send.client, &RequestError::Leaving.response(send.id), &[]);
        }
        self.end_serving(hosts);
        self.flush(hosts);
    }

    /// Writes what clients have not read yet, until the deadline. Blocks.
    pub(crate) fn write_out(&mut self, deadline: Instant) {
        loop {
            self.server.flush();
            let mut fds = Vec::new();
            self.server.poll_fds(&mut fds);
            fds.retain(|fd| fd.events().contains(PollFlags::POLLOUT));
            let left = deadline.saturating_duration_since(Instant::now());
            if fds.is_empty() || left.is_zero() {
                return;
            }
            for fd in &mut fds {
                fd.set_events(PollFlags::POLLOUT);
            }
            if poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)).is_err() {
                return;
            }
        }
    }
}
