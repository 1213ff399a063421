//! Standard output: text for people, or JSON.

use std::io::{self, StdoutLock, Write};

use serde::Serialize;

use super::failure::Failure;

/// Standard output, and whether it is to be JSON.
#[derive(Debug)]
pub(super) struct Output {
    to: StdoutLock<'static>,
    /// JSON is wanted.
    pub(super) json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Output { to: io::stdout().lock(), json }
    }

    /// Writes a line at once.
    pub(super) fn line(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).map_err(Failure::output)
    }

    /// Writes a value as one line of JSON at once.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        // Everything printed is text, numbers and lists of them.
        let text = serde_json::to_string(value).expect("it can be written as JSON");
        self.line(text)
    }
}
