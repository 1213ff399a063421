//! The asking side: one connection, calls that wait for their answer or are pipelined.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::code::Code;
use super::frame::{Decoder, Frame, FrameError, encode};
use super::listener::Listener;
use super::request::{Call, Request, Target};
use super::response::Response;
use super::service::Service;

/// How long a server may take beyond what the request itself allows.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No server at that path.
    #[error("{}: nobody listens here; start {service}, or name its socket with --socket", path.display())]
    NobodyListens {
        /// The socket's path.
        path: PathBuf,
        /// The program that should listen.
        service: Service,
    },
    /// The socket's file may not be used.
    #[error("{}: no permission; be root, the user of {service} or a member of the file's group", path.display())]
    NoPermission {
        /// The socket's path.
        path: PathBuf,
        /// The program that listens.
        service: Service,
    },
    /// The server answered that it didn't do it. The text may hold what a guest chose.
    #[error("{text}")]
    Refused {
        /// How it ended.
        code: Code,
        /// The server's words.
        text: String,
    },
    /// The request doesn't fit a frame, or the server sent what is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server closed the connection.
    #[error("the server closed the connection before it answered; see its log")]
    Closed,
    /// The server didn't answer.
    #[error("no answer from the server within {} ms", waited.as_millis())]
    TimedOut {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection failed.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
}

impl ClientError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        match self {
            ClientError::Refused { code, .. } => *code,
            ClientError::Frame(FrameError::BodyTooLong(_) | FrameError::HeaderTooLong(_)) => Code::BadInput,
            _ => Code::Failure,
        }
    }
}

/// A connection to a server. Calls block.
#[derive(Debug)]
pub struct Client {
    pub(super) link: Link,
    last_id: u64,
    unanswered: usize,
    /// Answers that came while something else was waited for.
    answers: VecDeque<(Response, Vec<u8>)>,
}

impl Client {
    /// Connects to the server at `path`; `service` is the program that errors name.
    ///
    /// # Errors
    /// [`ClientError::NobodyListens`], [`ClientError::NoPermission`] or the system's.
    pub fn connect(service: Service, path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NobodyListens { path: path.to_owned(), service }
            }
            io::ErrorKind::PermissionDenied => ClientError::NoPermission { path: path.to_owned(), service },
            _ => ClientError::Io(error),
        })?;
        stream.set_nonblocking(true)?;
        let link = Link { stream, decoder: Decoder::new() };
        Ok(Client { link, last_id: 0, unanswered: 0, answers: VecDeque::new() })
    }

    /// Sends a request with its body and waits for the answer, with its body.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the server answers that it was not done; the others when there is no answer.
    pub fn call(&mut self, request: &Request, body: &[u8]) -> Result<(Response, Vec<u8>), ClientError> {
        let id = self.send_nowait(request, body)?;
        let deadline = Deadline::after(PATIENCE + request.patience());
        let mut at = 0;
        loop {
            while let Some((response, _)) = self.answers.get(at) {
                if response.id != id {
                    at += 1;
                    continue;
                }
                let (response, body) = self.answers.remove(at).expect("it was there a line ago");
                return if response.ok { Ok((response, body)) } else { Err(refused(response)) };
            }
            self.receive(deadline)?;
        }
    }

    /// Sends a request and doesn't wait for its answer; returns its number.
    ///
    /// Blocks while the server takes no more, which it doesn't beyond 1024 requests without an answer. Answers that come
    /// are kept until [`Client::next_response`] takes them.
    ///
    /// # Errors
    /// [`ClientError`] when the request could not be sent. The connection is of no further use then, except after
    /// [`ClientError::Frame`].
    pub fn send_nowait(&mut self, request: &Request, body: &[u8]) -> Result<u64, ClientError> {
        let deadline = Deadline::after(PATIENCE + request.patience());
        let id = self.last_id + 1;
        let mut frame = Vec::new();
        encode(&Call { id, request: request.clone() }, body, &mut frame)?;
        self.last_id = id;
        self.link.write(&frame, deadline)?;
        self.unanswered += 1;
        Ok(id)
    }

    /// The next answer to a pipelined request, in the order in which they come; its id says to which.
    ///
    /// Waits up to `timeout`. An answer that it was not done is returned like any other.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] and what ends a connection.
    pub fn next_response(&mut self, timeout: Duration) -> Result<(Response, Vec<u8>), ClientError> {
        let deadline = Deadline::after(timeout);
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Ok(answer);
            }
            self.receive(deadline)?;
        }
    }

    /// Requests without an answer yet.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Turns the connection into a stream of the events that match.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn listen(mut self, target: Target, topic: Option<String>) -> Result<Listener, ClientError> {
        self.call(&Request::Listen { target, topic }, &[])?;
        Ok(Listener::new(self.link))
    }

    /// Waits for one more answer and keeps it.
    fn receive(&mut self, deadline: Deadline) -> Result<(), ClientError> {
        let frame =
            self.link.next_frame(Some(deadline))?.ok_or(ClientError::TimedOut { waited: deadline.waited })?;
        let response: Response = serde_json::from_slice(&frame.header).map_err(FrameError::Header)?;
        if response.id == 0 {
            return Err(refused(response));
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        self.answers.push_back((response, frame.body));
        Ok(())
    }
}

pub(super) fn refused(response: Response) -> ClientError {
    let text = response.error.unwrap_or_else(|| "the server gave no reason".to_owned());
    ClientError::Refused { code: response.code, text }
}

/// Until when to wait, and how long that was, for the error's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    waited: Duration,
}

impl Deadline {
    pub(super) fn after(wait: Duration) -> Self {
        // A year is as good as for ever, and no sum overflows.
        let waited = wait.min(Duration::from_secs(365 * 24 * 3600));
        Deadline { at: Instant::now() + waited, waited }
    }

    /// For poll(2): rounded up, so that it isn't called over and over in the last millisecond.
    fn left(&self) -> PollTimeout {
        let left = self.at.saturating_duration_since(Instant::now());
        PollTimeout::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
    }
}

/// Frames over a stream, with waiting.
#[derive(Debug)]
pub(super) struct Link {
    /// Non-blocking.
    stream: UnixStream,
    decoder: Decoder,
}

impl Link {
    pub(super) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// The next frame, `None` when none came until the deadline; without one it waits for ever.
    pub(super) fn next_frame(&mut self, deadline: Option<Deadline>) -> Result<Option<Frame>, ClientError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            if !self.read()? && self.wait(PollFlags::POLLIN, deadline)?.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Writes a whole frame, and reads meanwhile: a server that waits for its answers to be read reads nothing itself.
    fn write(&mut self, mut frame: &[u8], deadline: Deadline) -> Result<(), ClientError> {
        while !frame.is_empty() {
            match self.stream.write(frame) {
                Ok(count) => frame = &frame[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = self.wait(PollFlags::POLLIN | PollFlags::POLLOUT, Some(deadline))?;
                    if ready.is_empty() {
                        return Err(ClientError::TimedOut { waited: deadline.waited });
                    }
                    if ready.contains(PollFlags::POLLIN) {
                        self.read()?;
                    }
                }
                // A server that closes says why before; that is of more use than a broken pipe.
                Err(_) => return Err(self.parting_words()),
            }
        }
        Ok(())
    }

    /// Reads once; `false` when nothing is there now.
    fn read(&mut self) -> Result<bool, ClientError> {
        match self.decoder.read_from(&mut self.stream) {
            Ok(0) => Err(ClientError::Closed),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(ClientError::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// Why the server closed, from the frames that are still there.
    fn parting_words(&mut self) -> ClientError {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => match serde_json::from_slice::<Response>(&frame.header) {
                    Ok(response) if response.id == 0 => return refused(response),
                    _ => {}
                },
                Ok(None) => match self.read() {
                    Ok(true) => {}
                    Ok(false) => return ClientError::Closed,
                    Err(error) => return error,
                },
                Err(error) => return error.into(),
            }
        }
    }

    /// What became ready; nothing when the deadline passed.
    fn wait(&self, flags: PollFlags, deadline: Option<Deadline>) -> Result<PollFlags, ClientError> {
        let mut fds = [PollFd::new(self.stream.as_fd(), flags)];
        loop {
            match poll(&mut fds, deadline.map_or(PollTimeout::NONE, |deadline| deadline.left())) {
                Ok(_) => return Ok(fds[0].revents().unwrap_or(PollFlags::empty())),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
    }
}
