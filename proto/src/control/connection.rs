//! One client of the server: its stream, what it sent and what it is to be sent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::poll::PollFlags;
use serde::Deserialize;

use super::Code;
use super::event::{Event, Filter};
use super::frame::{Decoder, Frame, encode};
use super::outbox::Outbox;
use super::request::Call;
use super::response::Response;
use super::server::{ClientId, Incoming, MAX_UNANSWERED};

/// Frames that one client may have served a poll, so that none holds up the others.
const FRAMES_A_POLL: usize = 64;
/// Bytes read from one client a poll, for the same reason; a little more when the last read is a large one.
const BYTES_A_POLL: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ClientId,
    stream: UnixStream,
    decoder: Decoder,
    outbox: Outbox,
    /// Set once the client listens.
    pub(super) filter: Option<Filter>,
    /// Requests handed out and not yet answered.
    unanswered: usize,
    /// To be removed at the next chance.
    pub(super) gone: bool,
}

impl Connection {
    /// Takes over a stream that is non-blocking already.
    pub(super) fn new(id: ClientId, stream: UnixStream) -> Self {
        Connection {
            id,
            stream,
            decoder: Decoder::new(),
            outbox: Outbox::default(),
            filter: None,
            unanswered: 0,
            gone: false,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::POLLIN, self.may_read());
        interest.set(PollFlags::POLLOUT, self.outbox.waiting() > 0);
        interest
    }

    /// Whether a request is here already, so that nobody should wait for the stream first.
    pub(super) fn has_request(&self) -> bool {
        self.may_read() && self.decoder.has_next()
    }

    /// A client that doesn't read its answers, or has too many open, is not read from.
    fn may_read(&self) -> bool {
        !self.gone && !self.outbox.is_backed_up() && self.unanswered < MAX_UNANSWERED
    }

    /// Hands out the requests that are here and reads more, within the bounds of one poll.
    pub(super) fn read(&mut self, incoming: &mut Vec<Incoming>) {
        let (mut frames, mut bytes) = (0, 0);
        while self.may_read() && frames < FRAMES_A_POLL {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    frames += 1;
                    self.take(frame, incoming);
                }
                Ok(None) if bytes >= BYTES_A_POLL => return,
                Ok(None) => match self.decoder.read_from(&mut self.stream) {
                    Ok(0) => self.gone = true,
                    Ok(count) => bytes += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(_) => self.gone = true,
                },
                Err(error) => self.close(error),
            }
        }
    }

    fn take(&mut self, frame: Frame, incoming: &mut Vec<Incoming>) {
        match serde_json::from_slice::<Call>(&frame.header) {
            Ok(Call { id, request }) if id != 0 => {
                self.unanswered += 1;
                incoming.push(Incoming { client: self.id, id, request, body: frame.body });
            }
            Ok(_) => self.close("a request's id is at least 1"),
            Err(error) => match serde_json::from_slice::<Numbered>(&frame.header) {
                Ok(Numbered { id }) if id != 0 => {
                    self.respond(
                        &Response::failed(id, Code::Usage, format_args!("no such request: {error}")),
                        &[],
                    );
                }
                _ => self.close(format_args!("frame header is no request: {error}")),
            },
        }
    }

    /// Queues the answer to a request that was handed out.
    pub(super) fn answer(&mut self, response: &Response, body: &[u8]) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.respond(response, body);
    }

    fn respond(&mut self, response: &Response, body: &[u8]) {
        let mut frame = Vec::new();
        if let Err(error) = encode(response, body, &mut frame) {
            let failed = Response::failed(response.id, Code::Failure, error);
            encode(&failed, &[], &mut frame).expect("a failure's text is far shorter than a frame");
        }
        if !self.outbox.push_response(&frame) {
            self.gone = true;
        }
    }

    /// Tells the client what is wrong, as far as it can be told at once, and gives it up.
    fn close(&mut self, error: impl std::fmt::Display) {
        self.respond(&Response::failed(0, Code::BadInput, error), &[]);
        self.write();
        self.gone = true;
    }

    /// Queues an event's frame; `false` when it was lost.
    pub(super) fn tell(&mut self, frame: &[u8]) -> bool {
        self.tell_lost();
        self.outbox.push_event(frame)
    }

    fn tell_lost(&mut self) {
        if let Some(count) = self.outbox.take_lost() {
            let mut frame = Vec::new();
            encode(&Event::Lost { count }, &[], &mut frame).expect("a number is far shorter than a frame");
            // There is room: that is what take_lost waited for.
            self.outbox.push_event(&frame);
        }
    }

    /// Writes what the stream takes without waiting.
    pub(super) fn write(&mut self) {
        let written = self.outbox.write_to(&mut self.stream).and_then(|()| {
            self.tell_lost();
            self.outbox.write_to(&mut self.stream)
        });
        if written.is_err() {
            self.gone = true;
        }
    }
}

/// What can be known of a request that can't be understood.
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}
