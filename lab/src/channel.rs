//! One end of a UNIX socket to QEMU: lines and bytes, each with a deadline.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Error;

/// The most that is kept of a line: a guest that never ends one fills no more.
const LONGEST_LINE: usize = 1 << 20;
/// How often it is looked whether QEMU still runs while it has not connected.
const LOOK: Duration = Duration::from_millis(50);

/// A socket that QEMU connects to when it starts, so that nothing a guest says early is lost.
#[derive(Debug)]
pub struct Doorway {
    name: &'static str,
    listener: UnixListener,
}

impl Doorway {
    /// Listens at `path`; `name` is what messages call it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the socket cannot be made; its path may be at most 107 bytes long.
    pub fn open(name: &'static str, path: &Path) -> Result<Self, Error> {
        let listener = UnixListener::bind(path)
            .map_err(Error::io(format!("cannot make the socket {}", path.display())))?;
        Ok(Self { name, listener })
    }

    /// Waits until QEMU connects, and takes the connection. `alive` tells whether QEMU still runs.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if nobody connects before `deadline`, or QEMU ends before it does.
    pub fn accept(
        self,
        deadline: Instant,
        mut alive: impl FnMut() -> Result<bool, Error>,
    ) -> Result<UnixStream, Error> {
        while !is_readable(self.name, &self.listener, (Instant::now() + LOOK).min(deadline))? {
            if !alive()? || Instant::now() >= deadline {
                return Err(Error::Failed(format!("QEMU did not connect to the {}", self.name)));
            }
        }
        let (stream, _) =
            self.listener.accept().map_err(Error::io(format!("cannot accept the {}", self.name)))?;
        Ok(stream)
    }
}

/// A connection with what was received but not yet asked for.
#[derive(Debug)]
pub struct Channel {
    name: &'static str,
    stream: UnixStream,
    received: Vec<u8>,
}

impl Channel {
    /// What comes over `stream`; `name` is what messages call it.
    pub fn new(name: &'static str, stream: UnixStream) -> Self {
        Self { name, stream, received: Vec::new() }
    }

    /// Sends `bytes`. Blocks while the other side does not read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the other side is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(Error::io(format!("the {} is gone", self.name)))
    }

    /// The next line, without its end.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if there is none before `deadline` or the other side is gone.
    pub fn line(&mut self, deadline: Instant) -> Result<String, Error> {
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let line = self.take(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.received.len() > LONGEST_LINE {
                return Err(Error::Failed(format!(
                    "the {} sent a line of over {LONGEST_LINE} bytes",
                    self.name
                )));
            }
            self.receive(deadline)?;
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    ///
    /// As [`Channel::line`].
    pub fn bytes(&mut self, count: usize, deadline: Instant) -> Result<Vec<u8>, Error> {
        while self.received.len() < count {
            self.receive(deadline)?;
        }
        Ok(self.take(count))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.received.drain(..count).collect()
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), Error> {
        if !is_readable(self.name, &self.stream, deadline)? {
            return Err(Error::Failed(format!("nothing came from the {} in time", self.name)));
        }
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(Error::Failed(format!("the {} was closed: the guest has ended", self.name))),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(Error::io(format!("cannot read from the {}", self.name))(error)),
        }
    }
}

/// Waits for something to read from `socket`; false if nothing came before `deadline`.
fn is_readable(name: &str, socket: impl AsFd, deadline: Instant) -> Result<bool, Error> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // Rounded up, or the last part of a millisecond would be spent in a busy loop.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut watched = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(Error::io(format!("cannot wait for the {name}"))(error.into())),
        }
    }
}
