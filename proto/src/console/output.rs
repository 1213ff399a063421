//! Standard output: text for people, or JSON.

use std::fmt;
use std::io::{self, StdoutLock, Write};

use serde::Serialize;

use super::failure::Failure;

/// Standard output, locked for as long as this lives, and whether it is to be JSON.
#[derive(Debug)]
pub struct Output {
    to: StdoutLock<'static>,
    /// JSON is wanted.
    pub json: bool,
}

impl Output {
    /// Locks standard output. Blocks while another thread has it.
    pub fn new(json: bool) -> Self {
        Output { to: io::stdout().lock(), json }
    }

    /// Writes a line at once.
    ///
    /// # Errors
    /// [`Failure::BrokenPipe`] when nobody reads it any more, and whatever else keeps it from being written.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).map_err(Failure::output)
    }

    /// Writes bytes at once, as they are.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.to.write_all(bytes).and_then(|()| self.to.flush()).map_err(Failure::output)
    }

    /// Writes a value as one line of JSON at once.
    ///
    /// # Errors
    /// As [`Output::line`].
    ///
    /// # Panics
    /// When the value has a map with keys that are no text: a bug of the caller's.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        // Everything printed is text, numbers and lists of them.
        let text = serde_json::to_string(value).expect("it can be written as JSON");
        self.line(text)
    }

    /// Writes a value as JSON over several lines, for people to read as well.
    ///
    /// # Errors
    /// As [`Output::line`].
    ///
    /// # Panics
    /// As [`Output::json`].
    pub fn json_indented(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        // As above.
        let text = serde_json::to_string_pretty(value).expect("it can be written as JSON");
        self.line(text)
    }
}
