//! The loop: regions and clients in turn, and sleep when there is nothing.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ivring_proto::control::{Code, Response, Server};
use ivring_proto::session::Identity;
use ivring_proto::wait::{Ladder, Profile, Step};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::time::TimeSpec;

use super::answers::WaitingAnswers;
use super::error::DaemonError;
use super::expected::{Asked, Expected, Waiter};
use super::log_limit::LogLimit;
use super::regions::{RegionId, Regions};
use super::requests::RequestError;
use super::signals::Signals;
use super::waiting_sends::WaitingSends;

/// Records taken from one region before the next one's turn.
const RECORDS_A_TURN: usize = 256;
/// A busy loop looks for clients this often: the look is a system call, and rings are polled without one.
const CLIENTS: Duration = Duration::from_micros(50);
/// Deadlines of clients are looked at this often.
const DEADLINES: Duration = Duration::from_millis(10);
/// Patterns are looked through this often.
const APPEARANCES: Duration = Duration::from_secs(1);
/// How long to deliver what has arrived, when the daemon leaves.
const PATIENCE: Duration = Duration::from_secs(2);

/// A moment that comes again and again.
#[derive(Debug)]
struct Every {
    span: Duration,
    next: Instant,
}

impl Every {
    fn new(span: Duration) -> Self {
        Every { span, next: Instant::now() }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.span;
        }
        due
    }
}

/// Everything the daemon serves.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) regions: Regions,
    pub(super) server: Server,
    pub(super) expected: Expected,
    pub(super) waiting: WaitingSends,
    pub(super) answers: Vec<WaitingAnswers>,
    /// Guests for which messages were pushed and not flushed yet.
    pub(super) unflushed: Vec<(RegionId, Identity)>,
    pub(super) limit: LogLimit,
    pub(super) profile: Profile,
    pub(super) started: Instant,
    /// Messages that no listener took.
    pub(super) unheard: u64,
    signals: Signals,
}

impl Daemon {
    pub(super) fn new(regions: Regions, server: Server, signals: Signals, profile: Profile) -> Self {
        Daemon {
            regions,
            server,
            expected: Expected::new(random()),
            waiting: WaitingSends::default(),
            answers: Vec::new(),
            unflushed: Vec::new(),
            limit: LogLimit::default(),
            profile,
            started: Instant::now(),
            unheard: 0,
            signals,
        }
    }

    /// Serves until a signal asks to leave.
    ///
    /// # Errors
    ///
    /// When no named region is left, or the system cannot be waited on.
    pub(super) fn run(mut self) -> Result<(), DaemonError> {
        let mut ladder = Ladder::new(self.profile);
        let (mut clients, mut deadlines, mut appearances) =
            (Every::new(CLIENTS), Every::new(DEADLINES), Every::new(APPEARANCES));
        while !self.signals.asked() {
            let mut busy = self.take_events()?;
            let now = Instant::now();
            if clients.is_due(now) {
                busy |= self.serve_clients(now);
            }
            // Answers first: they were owed before.
            busy |= self.retry_answers();
            busy |= self.retry_sends();
            if deadlines.is_due(now) {
                self.end_waiting(now);
            }
            if appearances.is_due(now) {
                self.regions.look_for_new();
                let server = &self.server;
                self.expected.keep_clients(|client| server.is_connected(client));
                self.waiting.keep_clients(|client| server.is_connected(client));
            }
            self.flush();
            if busy {
                ladder.reset();
                continue;
            }
            match ladder.idle() {
                Step::Spin | Step::Yield => {}
                Step::Sleep(span) => {
                    self.sleep(span)?;
                    // Whatever woke us is looked at now.
                    clients.next = now;
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
            for waiter in self.expected.of_region(region) {
                self.give_up(waiter);
            }
            self.regions.close(region, &reason)?;
        }
        Ok(any)
    }

    /// Publishes what was pushed, and writes what clients are to read: before anything blocks nothing is held.
    fn flush(&mut self) {
        for (region, guest) in self.unflushed.drain(..) {
            if let Some(served) = self.regions.get_mut(region) {
                served.host.flush(&guest);
            }
        }
        self.server.flush();
    }

    /// Sleeps until a client or a signal comes, or the time is over.
    fn sleep(&self, span: Duration) -> Result<(), DaemonError> {
        if self.server.has_requests() {
            return Ok(());
        }
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        self.server.poll_fds(&mut fds);
        match ppoll(&mut fds, Some(TimeSpec::from_duration(span)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(DaemonError::Wait(errno.into())),
        }
    }

    /// Answers those who have waited long enough.
    fn end_waiting(&mut self, now: Instant) {
        for waiter in self.expected.expired(now) {
            let response = match waiter.asked {
                // It was begun and will end; only the guest's last messages are still on their way.
                Asked::Eviction => Response { code: Code::Pending, ..Response::done(waiter.id) },
                Asked::Ping { .. } | Asked::Request { .. } => {
                    RequestError::NoAnswer { guest: waiter.shown, waited: waiter.patience }
                        .response(waiter.id)
                }
            };
            self.server.reply(waiter.client, &response, &[]);
        }
        self.end_sends(now);
    }

    /// Answers a waiter whose guest will not answer any more.
    pub(super) fn give_up(&mut self, waiter: Waiter) {
        let response = match waiter.asked {
            Asked::Eviction => Response::done(waiter.id),
            Asked::Ping { .. } | Asked::Request { .. } => {
                RequestError::Detached { guest: waiter.shown }.response(waiter.id)
            }
        };
        self.server.reply(waiter.client, &response, &[]);
    }

    /// Delivers what has arrived to those who listen, tells the guests, and closes everything.
    fn leave(mut self) {
        tracing::info!("leaving; guests keep their sessions for the next ivringd");
        let deadline = Instant::now() + PATIENCE;
        // With nobody to take them, messages are better left in the rings.
        while self.server.has_listeners() && Instant::now() < deadline && self.take_events().unwrap_or(false)
        {
        }
        self.end_all();
        self.flush();
        for served in self.regions.take() {
            served.host.leave(Duration::ZERO, |_| {});
        }
        self.write_out(deadline);
    }

    /// Answers everybody who still waits.
    fn end_all(&mut self) {
        for waiter in self.expected.all() {
            self.server.reply(waiter.client, &RequestError::Leaving.response(waiter.id), &[]);
        }
        for send in self.waiting.take().into_iter().flat_map(|queue| queue.sends) {
            self.server.reply(send.client, &RequestError::Leaving.response(send.id), &[]);
        }
    }

    /// Writes what clients have not read yet, until the deadline.
    fn write_out(&mut self, deadline: Instant) {
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

/// A random word from the kernel's generator.
fn random() -> u64 {
    // The call fails only on kernels without getrandom(2), older than 3.17; nothing else is safe to go on with there.
    getrandom::u64().expect("the kernel has a random number generator")
}
