//! Why `ivringd` ends otherwise than by a signal.

use std::io;

use ivring_proto::control::{BindError, Code};

use crate::OpenError;
use crate::reformat::ReformatError;
use crate::region_glob::RegionGlobError;

#[derive(Debug, thiserror::Error)]
pub(super) enum DaemonError {
    /// A region that was named cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A region that was named is not formatted anew.
    #[error(transparent)]
    Reformat(#[from] ReformatError),
    #[error(transparent)]
    Pattern(#[from] RegionGlobError),
    #[error(transparent)]
    Socket(#[from] BindError),
    #[error("cannot catch signals: {0}")]
    Signals(io::Error),
    #[error("cannot handle SIGBUS: {0}")]
    Guard(io::Error),
    #[error("cannot wait for clients: {0}")]
    Wait(io::Error),
    /// The log has said why.
    #[error("no region is left to serve")]
    NothingLeft,
}

impl DaemonError {
    /// The exit code that belongs to it.
    pub(super) fn code(&self) -> Code {
        match self {
            DaemonError::Open(error) => error.code(),
            DaemonError::Reformat(error) => error.code(),
            DaemonError::Pattern(error) => error.code(),
            DaemonError::Socket(error) => error.code(),
            DaemonError::Signals(_)
            | DaemonError::Guard(_)
            | DaemonError::Wait(_)
            | DaemonError::NothingLeft => Code::Failure,
        }
    }
}
