//! The signals that end the agent, as a flag and as a descriptor to sleep on.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags};
use signal_hook::consts::{SIGINT, SIGTERM};

/// SIGTERM and SIGINT, caught for as long as the process lives.
#[derive(Debug)]
pub(super) struct Signals {
    raised: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        let (wake, sender) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT] {
            // The flag first: who is woken finds it set.
            signal_hook::flag::register(signal, Arc::clone(&raised))?;
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Signals { raised, wake })
    }

    /// Whether one came.
    pub(super) fn raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Becomes readable when one comes.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)
    }
}
