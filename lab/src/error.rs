//! What can go wrong in the lab, by what the caller can do about it.

use std::io;
use std::process::ExitCode;

use ivring_vm_config::qmp::MonitorError;
use thiserror::Error;

/// An error of the lab. The text says what to do next.
#[derive(Debug, Error)]
pub enum Error {
    /// Something the lab needs is missing here and may not or cannot be installed.
    #[error("{0}")]
    Refused(String),
    /// What the caller named cannot be used.
    #[error("{0}")]
    Input(String),
    /// The operating system refused an operation.
    #[error("{what}: {source}")]
    Io {
        /// The operation and what it was done to.
        what: String,
        /// The answer of the system.
        source: io::Error,
    },
    /// A guest, QEMU or another program did not do what it was asked to.
    #[error("{0}")]
    Failed(String),
}

impl From<MonitorError> for Error {
    fn from(error: MonitorError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Error {
    /// Turns an I/O error into one that says what was tried; made for `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(3),
            Self::Input(_) => ExitCode::from(4),
            Self::Io { .. } | Self::Failed(_) => ExitCode::from(5),
        }
    }
}
