//! Ctrl-C, and the other signals that ask a command to end.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Whether this process was asked to end.
#[derive(Debug)]
pub(super) struct Stop {
    /// Readable from the first signal on.
    wake: UnixStream,
}

impl Stop {
    /// Begins to catch the signals.
    pub(super) fn catch() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Stop { wake })
    }

    pub(super) fn asked(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits for so long, or until asked to end; says whether that is so.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            // Rounded up: it is not called over and over in the last millisecond.
            let left = until.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)], timeout) {
                // The signal itself ends a wait so.
                Err(Errno::EINTR) => {}
                Ok(ready) => return ready > 0,
                // The system is short of memory; a moment later it may not be.
                Err(_) => return false,
            }
        }
    }
}
