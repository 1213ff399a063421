//! The steps of the demo as they pass, on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// How often the time that a step has taken is shown on a terminal.
const TICK: Duration = Duration::from_millis(100);

/// Says what is done and what came of it, with the time since the start.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), terminal: io::stderr().is_terminal() }
    }

    /// Does `work`, and shows the text it returns. On a terminal the time runs meanwhile.
    ///
    /// # Errors
    ///
    /// That of `work`, with the name of the step before it.
    pub(super) fn step<T>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<(T, String), Error>,
    ) -> Result<T, Error> {
        let result = thread::scope(|scope| {
            // Dropped also when `work` panics, and that ends the thread.
            let (_end, ended) = channel();
            if self.terminal {
                scope.spawn(move || run_time(what, &ended));
            }
            work()
        });
        self.finish(what, result)
    }

    /// The same for `work` that writes to standard error itself: the step is named before it, too.
    ///
    /// # Errors
    ///
    /// As [`Progress::step`].
    pub(super) fn loud_step<T>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<(T, String), Error>,
    ) -> Result<T, Error> {
        self.line(what);
        self.finish(what, work())
    }

    fn finish<T>(&self, what: &str, result: Result<(T, String), Error>) -> Result<T, Error> {
        match result {
            Ok((value, outcome)) => {
                self.line(&format!("{what}: {outcome}"));
                Ok(value)
            }
            Err(error) => {
                self.line(&format!("{what}: failed"));
                Err(error)
            }
        }
    }

    fn line(&self, text: &str) {
        let erase = if self.terminal { "\r\x1b[K" } else { "" };
        // There is nobody left to tell if standard error is closed.
        let _ = writeln!(io::stderr(), "{erase}[{:5.1} s] {text}", self.started.elapsed().as_secs_f64());
    }
}

/// Shows the step and its time until the other end of `ended` is gone.
fn run_time(what: &str, ended: &Receiver<()>) {
    let started = Instant::now();
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let mut terminal = io::stderr();
        let _ = write!(terminal, "\r\x1b[K          {what} ... {:.1} s", started.elapsed().as_secs_f64());
        let _ = terminal.flush();
    }
}
