//! One client of the server: its stream, what it sent and what it is to be sent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use nix::poll::PollFlags;
use serde::Deserialize;

use super::Code;
use super::decoder::Decoder;
use super::event::{Event, Filter};
use super::frame::{Frame, encode};
use super::intake::Intake;
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
    /// Bytes reserved for the long frame that comes in.
    reserved: usize,
    /// A long frame has begun and there is no room for it yet: not read from until there is.
    waits_for_room: bool,
    /// When something was last read.
    heard: Instant,
    /// When the client last took something of what waits, or began to have something to take.
    took: Instant,
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
            reserved: 0,
            waits_for_room: false,
            heard: Instant::now(),
            took: Instant::now(),
            gone: false,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::POLLIN, self.may_read() && !self.waits_for_room);
        interest.set(PollFlags::POLLOUT, self.outbox.waiting() > 0);
        interest
    }

    /// Whether a request is here already, so that nobody should wait for the stream first.
    pub(super) fn has_request(&self) -> bool {
        self.may_read() && self.decoder.has_next()
    }

    /// Whether it was refused room for a long frame that it has begun.
    pub(super) fn waits_for_room(&self) -> bool {
        self.waits_for_room && self.may_read()
    }

    /// Since when it has been in the middle of a long frame, with room taken for it and nothing read.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.reserved > 0).then_some(self.heard)
    }

    /// Bytes of short frames that wait for the client.
    pub(super) fn short_unread(&self) -> usize {
        self.outbox.short()
    }

    /// Since when it has taken nothing of what waits for it.
    pub(super) fn takes_nothing_since(&self) -> Instant {
        self.took
    }

    /// Bytes that wait for the client.
    pub(super) fn unread(&self) -> usize {
        self.outbox.waiting()
    }

    /// A client that doesn't read its answers, or has too many open, is not read from.
    fn may_read(&self) -> bool {
        !self.gone && !self.outbox.is_backed_up() && self.unanswered < MAX_UNANSWERED
    }

    /// Hands out the requests that are here and reads more, within the bounds of one poll and of `intake`.
    pub(super) fn read(&mut self, incoming: &mut Vec<Incoming>, intake: &mut Intake) {
        let (mut frames, mut bytes) = (0, 0);
        while self.may_read() && frames < FRAMES_A_POLL {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    frames += 1;
                    intake.release(std::mem::take(&mut self.reserved));
                    self.take(frame, incoming);
                }
                Ok(None) if bytes >= BYTES_A_POLL => return,
                Ok(None) if !self.has_room(intake) => return,
                Ok(None) => match self.decoder.read_from(&mut self.stream) {
                    Ok(0) => self.gone = true,
                    Ok(count) => {
                        bytes += count;
                        self.heard = Instant::now();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(_) => self.gone = true,
                },
                Err(error) => self.close(error),
            }
        }
    }

    /// Reserves room for the frame that comes in, if it is a long one.
    fn has_room(&mut self, intake: &mut Intake) -> bool {
        let announced = self.decoder.announced();
        if self.reserved > 0 || !Intake::is_long(announced) {
            return true;
        }
        let granted = intake.reserve(self.id, announced);
        self.waits_for_room = !granted;
        if granted {
            self.reserved = announced;
            self.heard = Instant::now();
        }
        granted
    }

    /// Gives the client up, and what waits for it.
    pub(super) fn give_up(&mut self) {
        self.outbox = Outbox::default();
        self.gone = true;
    }

    /// Gives back what it holds of `intake`: it is to be removed.
    pub(super) fn give_back(&mut self, intake: &mut Intake) {
        intake.release(std::mem::take(&mut self.reserved));
        intake.forget(self.id);
    }

    fn take(&mut self, frame: Frame, incoming: &mut Vec<Incoming>) {
        match serde_json::from_slice::<Call>(&frame.header) {
            Ok(Call { id, early, request }) if id != 0 => {
                self.unanswered += 1;
                incoming.push(Incoming { client: self.id, id, early, request, body: frame.body });
            }
            Ok(_) => self.close("a request's id is at least 1"),
            Err(error) => match serde_json::from_slice::<Numbered>(&frame.header) {
                Ok(Numbered { id }) if id != 0 => {
                    self.respond(&Response::failed(
                        id,
                        Code::Usage,
                        format_args!("no such request: {error}"),
                    ));
                }
                _ => self.close(format_args!("frame header is no request: {error}")),
            },
        }
    }

    /// Queues the frame that ends a request that was handed out.
    pub(super) fn answer(&mut self, frame: &Arc<Vec<u8>>) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.push(frame);
    }

    /// Queues a response that is no end of a request that was handed out.
    pub(super) fn respond(&mut self, response: &Response) {
        self.push(&Arc::new(frame_of(response, &[])));
    }

    fn push(&mut self, frame: &Arc<Vec<u8>>) {
        self.begins_to_wait();
        if !self.outbox.push_response(frame) {
            self.gone = true;
        }
    }

    fn begins_to_wait(&mut self) {
        if self.outbox.waiting() == 0 {
            self.took = Instant::now();
        }
    }

    /// Tells the client what is wrong, as far as it can be told at once, and gives it up.
    pub(super) fn close(&mut self, error: impl std::fmt::Display) {
        self.respond(&Response::failed(0, Code::BadInput, error));
        self.write();
        self.gone = true;
    }

    /// Queues an event's frame if there is room; says whether there was.
    pub(super) fn tell(&mut self, frame: &Arc<Vec<u8>>) -> bool {
        self.begins_to_wait();
        self.tell_lost();
        self.outbox.push_event(frame)
    }

    /// Notes that the client lost an event, of which it is told when it has read enough.
    pub(super) fn lose_event(&mut self) {
        self.outbox.lose();
    }

    fn tell_lost(&mut self) {
        if let Some(count) = self.outbox.take_lost() {
            let mut frame = Vec::new();
            encode(&Event::Lost { count }, &[], &mut frame).expect("a number is far shorter than a frame");
            // There is room: that is what take_lost waited for.
            self.outbox.push_event(&Arc::new(frame));
        }
    }

    /// Writes what the stream takes without waiting.
    pub(super) fn write(&mut self) {
        let written = self.outbox.write_to(&mut self.stream).and_then(|any| {
            self.tell_lost();
            Ok(any | self.outbox.write_to(&mut self.stream)?)
        });
        match written {
            Ok(true) => self.took = Instant::now(),
            Ok(false) => {}
            Err(_) => self.gone = true,
        }
    }
}

/// A response as a frame; a failure in its place where it fits none.
pub(super) fn frame_of(response: &Response, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    if let Err(error) = encode(response, body, &mut frame) {
        let failed = Response::failed(response.id, Code::Failure, error);
        encode(&failed, &[], &mut frame).expect("a failure's text is far shorter than a frame");
    }
    frame
}

/// What can be known of a request that can't be understood.
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}
