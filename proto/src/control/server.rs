//! The serving side, driven by its owner's poll loop: no thread, and no call waits.

#[cfg(test)]
mod slow_clients;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::access;
use super::bind::{self, BindError, SocketFile};
use super::code::Code;
use super::connection::{Connection, frame_of};
use super::event::{Event, Filter};
use super::frame::{FrameError, encode};
use super::intake::Intake;
use super::outbox::LONG;
use super::request::Request;
use super::response::Response;

/// Clients at a time; one more is told so and closed.
pub const MAX_CLIENTS: usize = 64;
/// Requests of one client that may be unanswered at a time; it is not read from until some are answered.
pub const MAX_UNANSWERED: usize = 1024;
/// Bytes that may wait for all clients together; beyond it those are closed that leave the most unread and take nothing.
pub const MAX_UNREAD: usize = 256 << 20;
/// A client with no more than this unread is never refused more for the sake of others, in bytes.
const SHARE: usize = 1 << 20;
/// Who takes nothing of what waits for it for so long may be closed to make room for others.
const STALLED: Duration = Duration::from_secs(1);
/// New clients taken in one poll.
const ACCEPTS_A_POLL: usize = 16;
/// Who sends nothing for so long in the middle of a long frame, while others wait to send theirs, is closed.
const STUCK: Duration = Duration::from_secs(5);

/// Names a client for as long as the server lives; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(u64);

#[cfg(test)]
impl ClientId {
    pub(super) fn for_test(number: u64) -> Self {
        ClientId(number)
    }
}

/// One request that waits for [`Server::reply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Who asks.
    pub client: ClientId,
    /// The request's number, which the response repeats.
    pub id: u64,
    /// Whether it is to be answered with [`Server::reply_early`], for an operation that knows that.
    pub early: bool,
    /// What is asked.
    pub request: Request,
    /// The bytes behind it; empty for most requests.
    pub body: Vec<u8>,
}

/// What the server has counted since it was bound, and holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Clients that are connected.
    pub clients: usize,
    /// Clients that listen.
    pub listeners: usize,
    /// Clients turned away, for want of permission or of room.
    pub turned_away: u64,
    /// Events that listeners were too slow for.
    pub events_lost: u64,
    /// Clients closed because they were too slow: to read what waited for them, or to send what they had begun.
    pub too_slow: u64,
}

/// A control socket.
///
/// The owner's loop, in this order: [`Server::poll`], [`Server::reply`] to each request now or later,
/// [`Server::publish`] what happened, [`Server::flush`], and where it sleeps: on [`Server::poll_fds`], unless
/// [`Server::has_requests`].
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    file: SocketFile,
    connections: Vec<Connection>,
    last_client: u64,
    /// Accepting failed, for want of descriptors: not to be waited on till the next poll has tried again.
    deaf: bool,
    intake: Intake,
    /// Long frames that wait for clients, each once however many it waits for.
    long: Vec<Weak<Vec<u8>>>,
    /// When it was polled last.
    now: Instant,
    turned_away: u64,
    events_lost: u64,
    too_slow: u64,
}

impl Server {
    /// Listens at `path` with `mode` on the socket's file, which should be `0o660`.
    ///
    /// Makes the last directory of `path` where it is missing. Replaces a socket on which nobody answers, and nothing
    /// else. Waits up to a second for another server that starts in the same directory. The file is removed when the
    /// server is dropped.
    ///
    /// # Errors
    /// [`BindError`] when another server answers there, something else is in the way, or the system refuses.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, BindError> {
        let (listener, file) = bind::bind(path, mode)?;
        Ok(Server {
            listener,
            file,
            connections: Vec::new(),
            last_client: 0,
            deaf: false,
            intake: Intake::default(),
            long: Vec::new(),
            now: Instant::now(),
            turned_away: 0,
            events_lost: 0,
            too_slow: 0,
        })
    }

    /// Appends what a sleeping owner must wait on.
    pub fn poll_fds<'a>(&'a self, into: &mut Vec<PollFd<'a>>) {
        if !self.deaf {
            into.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        into.extend(
            self.connections.iter().map(|connection| PollFd::new(connection.fd(), connection.interest())),
        );
    }

    /// Whether the next poll may have something to do although a wait on [`Server::poll_fds`] has just found nothing: a
    /// client waits for room, or accepting failed and is to be tried again. When not, that poll can be left out.
    pub fn has_more_than_fds(&self) -> bool {
        self.deaf || self.intake.is_short()
    }

    /// Whether requests are here that the last poll left for the next, so that the owner must not sleep.
    pub fn has_requests(&self) -> bool {
        self.connections.iter().any(Connection::has_request)
    }

    /// Accepts, reads and writes what is ready and returns the requests that came; one system call when nothing is.
    ///
    /// Each must be answered once with [`Server::reply`] or [`Server::listen`], now or after later polls. At most 64
    /// requests a client are returned a poll. Never blocks.
    pub fn poll(&mut self) -> Vec<Incoming> {
        self.poll_at(Instant::now())
    }

    fn poll_at(&mut self, now: Instant) -> Vec<Incoming> {
        self.now = now;
        let mut incoming = Vec::new();
        let ready = self.ready();
        for (connection, ready) in self.connections.iter_mut().zip(&ready[1..]) {
            if ready.contains(PollFlags::POLLOUT) {
                connection.write();
            }
            // Whoever hung up while it wasn't read from would wake a sleeping owner over and over.
            if ready.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) && !ready.contains(PollFlags::POLLIN)
            {
                connection.gone = true;
            }
            if !ready.is_empty() || connection.has_request() || connection.waits_for_room() {
                connection.read(&mut incoming, &mut self.intake);
            }
        }
        self.close_stuck(now);
        self.remove_gone();
        self.deaf = false;
        if !ready[0].is_empty() {
            self.accept();
        }
        incoming
    }

    /// Closes those who hold room for a frame that doesn't come, when others wait for room.
    fn close_stuck(&mut self, now: Instant) {
        if !self.intake.is_short() {
            return;
        }
        for connection in &mut self.connections {
            if connection.idle_since().is_some_and(|since| now.saturating_duration_since(since) >= STUCK) {
                connection.close(format_args!(
                    "nothing came for {} s in the middle of a frame, and others wait to send theirs",
                    STUCK.as_secs()
                ));
                self.too_slow += 1;
            }
        }
    }

    fn remove_gone(&mut self) {
        let intake = &mut self.intake;
        self.connections.retain_mut(|connection| {
            if connection.gone {
                connection.give_back(intake);
            }
            !connection.gone
        });
    }

    /// Whether a frame may wait for the connection at `index`, by what waits for all of them. To make room others are
    /// closed that take nothing, those with the most unread first.
    fn has_room(&mut self, index: usize, frame: &Arc<Vec<u8>>) -> bool {
        if self.connections[index].unread() + frame.len() <= SHARE {
            return true;
        }
        loop {
            self.long.retain(|frame| frame.strong_count() > 0);
            let is_new = !self.long.iter().any(|long| std::ptr::eq(long.as_ptr(), Arc::as_ptr(frame)));
            let long: usize = self.long.iter().filter_map(Weak::upgrade).map(|frame| frame.len()).sum();
            let short: usize = self.connections.iter().map(Connection::short_unread).sum();
            if long + short + if is_new { frame.len() } else { 0 } <= MAX_UNREAD {
                if is_new && frame.len() > LONG {
                    self.long.push(Arc::downgrade(frame));
                }
                return true;
            }
            if !self.close_most_stalled(index) {
                return false;
            }
        }
    }

    /// Closes the client with the most unread of those that take nothing; `false` when there is none beside that at `index`.
    fn close_most_stalled(&mut self, index: usize) -> bool {
        let is_stalled = |connection: &Connection| {
            connection.unread() > SHARE
                && self.now.saturating_duration_since(connection.takes_nothing_since()) >= STALLED
        };
        let others = self.connections.iter_mut().enumerate().filter(|(other, _)| *other != index);
        let stalled = others.map(|(_, connection)| connection).filter(|connection| is_stalled(connection));
        let Some(most) = stalled.max_by_key(|connection| connection.unread()) else { return false };
        most.give_up();
        self.too_slow += 1;
        true
    }
    /// What is ready: the listener first, then each connection.
    fn ready(&self) -> Vec<PollFlags> {
        let mut fds = vec![PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            self.connections.iter().map(|connection| PollFd::new(connection.fd(), connection.interest())),
        );
        // It can fail with EINTR or ENOMEM; then nothing is ready now, and the next poll sees.
        let failed = poll(&mut fds, PollTimeout::ZERO).is_err();
        fds.iter().map(|fd| fd.revents().filter(|_| !failed).unwrap_or(PollFlags::empty())).collect()
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_A_POLL {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.deaf = true;
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let refusal = if let Err(denied) = access::check(&stream, self.file.group()) {
            Response::failed(0, Code::Failure, denied)
        } else if self.connections.len() >= MAX_CLIENTS {
            let text =
                format_args!("{MAX_CLIENTS} clients are connected already; try again when one is done");
            Response::failed(0, Code::Refused, text)
        } else {
            self.last_client += 1;
            self.connections.push(Connection::new(ClientId(self.last_client), stream));
            return;
        };
        self.turned_away += 1;
        turn_away(&stream, &refusal);
    }

    /// Answers a request. A client that has gone since is none of the caller's concern.
    ///
    /// A response that doesn't fit a frame, or for which there is no room beside what waits for others, is replaced by a
    /// failure that says so. A client that leaves too much unread is closed.
    pub fn reply(&mut self, client: ClientId, response: &Response, body: &[u8]) {
        let Some(index) = self.index(client) else { return };
        let mut frame = Arc::new(frame_of(response, body));
        if !self.has_room(index, &frame) {
            let text = "the answer came, but too much waits for other clients to keep it: ask again";
            frame = Arc::new(frame_of(&Response::failed(response.id, Code::Refused, text), &[]));
        }
        self.connections[index].answer(&frame);
    }

    /// Answers a request that asked for an early answer: it is on its way, and [`Server::end_early`] will tell what became
    /// of it. Until then it counts as unanswered.
    pub fn reply_early(&mut self, client: ClientId, response: &Response) {
        if let Some(connection) = self.connection(client) {
            connection.respond(response);
        }
    }

    /// Tells one client what became of a request that was answered early. As safe from loss as an answer; where there is
    /// no room for one, the client is closed.
    pub fn end_early(&mut self, client: ClientId, event: &Event, body: &[u8]) {
        let Some(index) = self.index(client) else { return };
        let mut frame = Vec::new();
        if let Err(error) = encode(event, body, &mut frame) {
            return self.connections[index].close(error);
        }
        let frame = Arc::new(frame);
        if self.has_room(index, &frame) {
            self.connections[index].answer(&frame);
        } else {
            self.connections[index].give_up();
            self.too_slow += 1;
        }
    }

    /// Tells one client an event, whatever it listens to, and says whether there was room. When there is none nothing is
    /// told or counted: it is for the caller to do something else.
    pub fn offer(&mut self, client: ClientId, event: &Event, body: &[u8]) -> bool {
        let mut frame = Vec::new();
        let Some(index) = self.index(client).filter(|_| encode(event, body, &mut frame).is_ok()) else {
            return false;
        };
        let frame = Arc::new(frame);
        self.has_room(index, &frame) && self.connections[index].tell(&frame)
    }

    /// Answers a `listen` request with success, and tells this client of events from now on. A second `listen` of the
    /// same client replaces its filter.
    pub fn listen(&mut self, client: ClientId, id: u64, filter: Filter) {
        if let Some(connection) = self.connection(client) {
            connection.answer(&Arc::new(frame_of(&Response::done(id), &[])));
            connection.filter = Some(filter);
        }
    }

    fn index(&self, client: ClientId) -> Option<usize> {
        self.connections.iter().position(|connection| connection.id == client && !connection.gone)
    }

    fn connection(&mut self, client: ClientId) -> Option<&mut Connection> {
        self.index(client).map(|index| &mut self.connections[index])
    }

    /// Whether this client is still connected, as far as the last poll saw: nobody else waits for its answers.
    pub fn is_connected(&self, client: ClientId) -> bool {
        self.index(client).is_some()
    }

    /// Whether anybody listens at all; when not, there is no need to make an event.
    pub fn has_listeners(&self) -> bool {
        self.connections.iter().any(|connection| connection.filter.is_some())
    }

    /// Tells an event to the listeners that want it, and returns how many were.
    ///
    /// A listener that leaves too much unread loses the event; it is counted, and the listener is told how many it lost.
    ///
    /// # Errors
    /// [`FrameError`] when the event doesn't fit a frame; nobody was told then.
    pub fn publish(&mut self, event: &Event, body: &[u8]) -> Result<usize, FrameError> {
        let wants = |connection: &Connection| {
            !connection.gone && connection.filter.as_ref().is_some_and(|filter| filter.wants(event))
        };
        if !self.connections.iter().any(wants) {
            return Ok(0);
        }
        let mut frame = Vec::new();
        encode(event, body, &mut frame)?;
        let frame = Arc::new(frame);
        let mut told = 0;
        for index in 0..self.connections.len() {
            if !wants(&self.connections[index]) {
                continue;
            }
            if self.has_room(index, &frame) && self.connections[index].tell(&frame) {
                told += 1;
            } else {
                self.connections[index].lose_event();
                self.events_lost += 1;
            }
        }
        Ok(told)
    }

    /// Writes what waits, as far as the clients take it without blocking. Whatever is left, [`Server::poll`] writes.
    pub fn flush(&mut self) {
        for connection in &mut self.connections {
            connection.write();
        }
        self.remove_gone();
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        Counts {
            clients: self.connections.len(),
            listeners: self.connections.iter().filter(|connection| connection.filter.is_some()).count(),
            turned_away: self.turned_away,
            events_lost: self.events_lost,
            too_slow: self.too_slow,
        }
    }
}

/// Says why; a new stream takes one small frame at once, and if not, the client sees just the end.
fn turn_away(mut stream: &UnixStream, response: &Response) {
    let mut frame = Vec::new();
    if encode(response, &[], &mut frame).is_ok() {
        let _ = stream.write_all(&frame);
    }
}
