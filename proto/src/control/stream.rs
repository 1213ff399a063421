//! Frames over a stream, with waiting.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::client::{ClientError, refused};
use super::decoder::Decoder;
use super::frame::Frame;
use super::response::Response;

/// Until when to wait, and how long that was, for the error's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    pub(super) waited: Duration,
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

/// One side of a connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Non-blocking.
    stream: UnixStream,
    decoder: Decoder,
}

impl Link {
    /// Takes over a stream that is non-blocking already.
    pub(super) fn new(stream: UnixStream) -> Self {
        Link { stream, decoder: Decoder::new() }
    }

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
    pub(super) fn write(&mut self, mut frame: &[u8], deadline: Deadline) -> Result<(), ClientError> {
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
