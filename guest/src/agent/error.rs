//! Why the agent ends by itself.

use std::io;

use ivring_proto::control::BindError;
use ivring_proto::layout::SuperblockError;

use crate::bar::BarError;
use crate::discover::DiscoverError;
use crate::machine::IdentifyError;
use crate::{MapError, Waiting};

/// Why the agent ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// It is not known who this machine is.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
    /// There is no region to join, and it is not to wait for one.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The region or the host can't be joined now, and it is not to wait.
    #[error("can't join: {0}")]
    NotNow(Waiting),
    /// Another program has the channel.
    #[error(
        "a newer program with this identity took the channel: is another ivring-agent running here, \
        or a clone of this machine?"
    )]
    Superseded,
    /// The control socket that was asked for can't be had.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// Signals can't be caught.
    #[error("can't catch signals: {0}")]
    Signals(io::Error),
}

impl AgentError {
    /// The exit code that belongs to it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            AgentError::Identify(error) => error.exit_code(),
            AgentError::Map(error) => error.exit_code(),
            AgentError::NotNow(Waiting::Region(error)) => superblock_exit_code(error),
            AgentError::NotNow(_) | AgentError::Superseded => 3,
            AgentError::Socket(error) => error.code().into(),
            AgentError::Signals(_) => 5,
        }
    }
}

/// What is damaged is bad input; what is missing, or of another version, refuses.
fn superblock_exit_code(error: &SuperblockError) -> u8 {
    match error {
        SuperblockError::Empty
        | SuperblockError::Init
        | SuperblockError::Version { .. }
        | SuperblockError::Features { .. } => 3,
        SuperblockError::Magic { .. }
        | SuperblockError::State { .. }
        | SuperblockError::Size { .. }
        | SuperblockError::Geometry(_) => 4,
    }
}

/// Whether waiting can help. No waiting makes a process root, or another device out of the one that was named.
pub(super) fn can_pass(error: &MapError) -> bool {
    match error {
        MapError::File { source, .. } => {
            !matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory)
        }
        MapError::Discover(DiscoverError::Bar(BarError::NotRoot { .. } | BarError::Lockdown { .. }))
        | MapError::Discover(DiscoverError::NotIvshmem { .. }) => false,
        MapError::Discover(_) | MapError::Link { .. } | MapError::Size { .. } => true,
    }
}
