//! How a command fails: a message for people and an exit code for scripts.

use std::io;
use std::process::ExitCode;

use crate::pci::ScanError;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It failed, or the answer is no.
    Told { code: u8, message: String },
    /// The answer is no, and standard output has said so.
    Negative,
    /// Whoever reads the output has enough of it.
    BrokenPipe,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self::Told { code, message: message.into() }
    }

    /// What writing to standard output reports.
    pub(super) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::new(5, format!("can't write to standard output: {error}")),
        }
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}

/// Says on standard error what went wrong and returns the exit code.
pub(super) fn report(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(Failure::Negative) => ExitCode::from(1),
        Err(Failure::Told { code, message }) => {
            tracing::error!("{message}");
            ExitCode::from(code)
        }
    }
}
