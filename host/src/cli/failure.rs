//! How a command fails: a message for people and an exit code for scripts.

use std::io;
use std::process::ExitCode;

use ivring_proto::control::{ClientError, Code};

use super::shown::shown;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It failed, or the answer is no.
    Told { code: Code, message: String },
    /// It ended so, and standard output has said what there is to say.
    Silent(Code),
    /// Whoever reads the output has enough of it.
    BrokenPipe,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Failure::Told { code, message: message.into() }
    }

    /// What writing to standard output reports.
    pub(super) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::new(Code::Failure, format!("cannot write to standard output: {error}")),
        }
    }

    /// The daemon answered with something else than was asked for.
    pub(super) fn other_version(error: &serde_json::Error) -> Self {
        Failure::new(Code::Failure, format!("ivringd is of another version than this ivring: {error}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Failure::new(error.code(), error.to_string())
    }
}

/// Says on standard error what went wrong and returns the exit code.
pub(super) fn report(result: Result<(), Failure>) -> ExitCode {
    let code = match result {
        Ok(()) | Err(Failure::BrokenPipe) => Code::Done,
        Err(Failure::Silent(code)) => code,
        Err(Failure::Told { code, message }) => {
            // It may hold what a guest chose.
            tracing::error!("{}", shown(&message));
            code
        }
    };
    code.into()
}
