//! SIGTERM and SIGINT: the first asks to leave, the second ends the process at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ivring_proto::control::Code;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// Whether the process was asked to leave.
#[derive(Debug)]
pub(super) struct Signals {
    asked: Arc<AtomicBool>,
    /// Readable once a signal has come, so that a sleeping loop wakes.
    wake: UnixStream,
}

impl Signals {
    /// Begins to catch both signals.
    pub(super) fn catch() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let (wake, write) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag unset and sets it, the second finds it set and ends us.
            flag::register_conditional_shutdown(
                signal,
                i32::from(u8::from(Code::Pending)),
                Arc::clone(&asked),
            )?;
            flag::register(signal, Arc::clone(&asked))?;
            pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Signals { asked, wake })
    }

    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
