//! The asking side: one connection, calls that wait for their answer or are pipelined.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::code::Code;
use super::event::{Event, read_event};
use super::frame::{Frame, FrameError, MAX_BODY, encode};
use super::listener::Listener;
use super::request::{Call, Request, Target};
use super::response::Response;
use super::service::Service;
use super::stream::{Deadline, Link};

/// How long a server may take beyond what the request itself allows.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of events that are kept while an answer is waited for; more are dropped and counted.
const EVENTS_KEPT: usize = 2 * MAX_BODY;
/// How many of them.
const MAX_EVENTS: usize = 1 << 16;

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
        /// The same as data, where the server says it so.
        detail: Option<Value>,
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
    /// Events that came meanwhile.
    events: VecDeque<(Event, Vec<u8>)>,
    /// Bytes of them.
    event_bytes: usize,
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
        Ok(Client {
            link: Link::new(stream),
            last_id: 0,
            unanswered: 0,
            answers: VecDeque::new(),
            events: VecDeque::new(),
            event_bytes: 0,
        })
    }

    /// Sends a request with its body and waits for the answer, with its body.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the server answers that it was not done; the others when there is no answer.
    pub fn call(&mut self, request: &Request, body: &[u8]) -> Result<(Response, Vec<u8>), ClientError> {
        let id = self.send_nowait(request, body)?;
        self.answer_to(id, PATIENCE + request.patience())
    }

    /// Sends a `send`, `request` or `ping` and waits until it is on its way; what becomes of it is an event.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_early(&mut self, request: &Request, body: &[u8]) -> Result<Response, ClientError> {
        let id = self.begin(request, body, true)?;
        self.answer_to(id, PATIENCE).map(|(response, _)| response)
    }

    fn answer_to(&mut self, id: u64, patience: Duration) -> Result<(Response, Vec<u8>), ClientError> {
        let deadline = Deadline::after(patience);
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
        self.begin(request, body, false)
    }

    fn begin(&mut self, request: &Request, body: &[u8], early: bool) -> Result<u64, ClientError> {
        let deadline = Deadline::after(PATIENCE + request.patience());
        let id = self.last_id + 1;
        let mut frame = Vec::new();
        encode(&Call { id, early, request: request.clone() }, body, &mut frame)?;
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

    /// The next event, for a client that has asked for some with [`Request::Listen`] or [`Request::Serve`]; `None` when
    /// none came within `timeout`, and without one it waits for ever. Events that come while an answer is waited for are
    /// kept, up to a bound; [`Event::Lost`] counts those beyond it.
    ///
    /// # Errors
    /// [`ClientError::Closed`] when the server ended, and what else ends a connection.
    pub fn next_event(&mut self, timeout: Option<Duration>) -> Result<Option<(Event, Vec<u8>)>, ClientError> {
        let deadline = timeout.map(Deadline::after);
        loop {
            if let Some((event, body)) = self.events.pop_front() {
                self.event_bytes -= body.len();
                return Ok(Some((event, body)));
            }
            let Some(frame) = self.link.next_frame(deadline)? else { return Ok(None) };
            self.take(frame)?;
        }
    }

    /// Turns the connection into a stream of the events that match.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn listen(mut self, target: Target, topic: Option<String>) -> Result<Listener, ClientError> {
        self.call(&Request::Listen { target, topic }, &[])?;
        Ok(Listener::new(self.link))
    }

    /// Waits for one more frame and keeps it.
    fn receive(&mut self, deadline: Deadline) -> Result<(), ClientError> {
        let frame =
            self.link.next_frame(Some(deadline))?.ok_or(ClientError::TimedOut { waited: deadline.waited })?;
        self.take(frame)
    }

    fn take(&mut self, frame: Frame) -> Result<(), ClientError> {
        if let Ok(event) = read_event(&frame.header) {
            self.keep(event, frame.body);
            return Ok(());
        }
        let response: Response = serde_json::from_slice(&frame.header).map_err(FrameError::Header)?;
        if response.id == 0 {
            return Err(refused(response));
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        self.answers.push_back((response, frame.body));
        Ok(())
    }

    fn keep(&mut self, event: Event, body: Vec<u8>) {
        if self.event_bytes + body.len() <= EVENTS_KEPT && self.events.len() < MAX_EVENTS {
            self.event_bytes += body.len();
            self.events.push_back((event, body));
        } else if let Some((Event::Lost { count }, _)) = self.events.back_mut() {
            *count += 1;
        } else {
            self.events.push_back((Event::Lost { count: 1 }, Vec::new()));
        }
    }
}

impl AsFd for Client {
    /// For a poll loop of one's own. Call [`Client::next_event`] with a zero timeout until it gives `None` first: events
    /// may have been read already.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.fd()
    }
}

pub(super) fn refused(response: Response) -> ClientError {
    let text = response.error.unwrap_or_else(|| "the server gave no reason".to_owned());
    ClientError::Refused { code: response.code, text, detail: response.data.get("detail").cloned() }
}
