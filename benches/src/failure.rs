//! Why a measurement, or the whole comparison, came to nothing.

use std::io;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The machine cannot run this.
    #[error("two processors are needed, this process may use {0}: allow it another one")]
    Processors(usize),
    /// A peer was chosen that this program was built without.
    #[error(
        "{0} is not in this build: add --features peers to the long form of the command (iceoryx2 needs libclang)"
    )]
    NotBuilt(&'static str),
    /// A report that was to be read is none.
    #[error("{file} is no report of this program: {error}")]
    Report {
        /// Its path.
        file: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// Processors were chosen that cannot be used.
    #[error("processors {processors:?} cannot be used: choose two of {usable:?}")]
    Chosen {
        /// The choice.
        processors: [usize; 2],
        /// Those that can be.
        usable: Vec<usize>,
    },
    /// Another system's call, or a pipe to a worker.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// The other side did nothing for too long.
    #[error("no message for {0} s: the other side does not run")]
    Silent(u64),
    /// A message arrived that is not the one that was sent.
    #[error("message {number} arrived wrong: {what}")]
    Wrong {
        /// Which message.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A worker ended without a result.
    #[error("the worker for {job} ended with {status}")]
    Worker {
        /// What it was to measure.
        job: String,
        /// How it ended.
        status: String,
    },
    /// The guest could not be set up.
    #[error(transparent)]
    Lab(#[from] ivring_lab::Error),
    /// The program in the guest failed.
    #[error("the program in the guest failed at {job} with status {status}: {output}")]
    Guest {
        /// What it was to measure.
        job: String,
        /// Its exit status.
        status: u8,
        /// What it said.
        output: String,
    },
    /// A peer's own library refused.
    #[error("{peer}: {what}")]
    Peer {
        /// Whose library.
        peer: &'static str,
        /// What it said.
        what: String,
    },
}

impl Failure {
    /// Names what was tried when the system refused it.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io(what, error)
    }

    /// The exit code of a program that ends for this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Chosen { .. } => 2,
            Self::Processors(_) | Self::NotBuilt(_) => 3,
            Self::Lab(ivring_lab::Error::Refused(_)) => 3,
            Self::Report { .. } => 4,
            _ => 5,
        }
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io("system call", error.into())
    }
}
