//! How a command fails: a message for people and an exit code for scripts.

use std::io;
use std::process::ExitCode;

use super::shown::shown;
use crate::control::{ClientError, Code};

/// What the exit codes mean, for the help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the answer is no: not connected, nothing found
  2  the command line is wrong
  3  refused or unsupported
  4  bad input
  5  a file, a permission or the other side failed
  6  done, but something is still pending";

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// It failed, or the answer is no.
    Told {
        /// How it ended.
        code: Code,
        /// What to say about it.
        message: String,
    },
    /// It ended so, and standard output has said what there is to say.
    Silent(Code),
    /// Whoever reads the output has enough of it.
    BrokenPipe,
}

impl Failure {
    /// A failure with something to say.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure::Told { code, message: message.into() }
    }

    /// What writing to standard output reports.
    pub(super) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::new(Code::Failure, format!("can't write to standard output: {error}")),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        // The server's words may hold what its peer chose.
        Failure::new(error.code(), shown(&error.to_string()))
    }
}

/// Says on standard error what went wrong and returns the exit code. A broken pipe is no error.
pub fn report(result: Result<(), Failure>) -> ExitCode {
    let code = match result {
        Ok(()) | Err(Failure::BrokenPipe) => Code::Done,
        Err(Failure::Silent(code)) => code,
        Err(Failure::Told { code, message }) => {
            tracing::error!("{message}");
            code
        }
    };
    code.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_made_printable() {
        let error = ClientError::Refused { code: Code::Refused, text: "no\x1b[2J".into(), detail: None };
        let Failure::Told { code, message } = Failure::from(error) else { panic!("it says nothing") };
        assert_eq!((code, message.as_str()), (Code::Refused, "no\\u{1b}[2J"));
    }

    #[test]
    fn only_a_broken_pipe_is_no_error() {
        assert!(matches!(Failure::output(io::ErrorKind::BrokenPipe.into()), Failure::BrokenPipe));
        let full = Failure::output(io::ErrorKind::StorageFull.into());
        assert!(matches!(full, Failure::Told { code: Code::Failure, .. }), "{full:?}");
    }
}
