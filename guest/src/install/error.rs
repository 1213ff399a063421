//! Why the agent can't be installed or uninstalled.

use std::io;
use std::path::PathBuf;

/// Why the agent can't be installed or uninstalled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// The caller isn't root.
    #[error("this changes the machine's services, and user {uid} may not: run it as root")]
    NotRoot {
        /// The caller.
        uid: u32,
    },
    /// The root given is none.
    #[error("--root {}: no such directory; name the one where the machine's file system is mounted", path.display())]
    NoRoot {
        /// The path given.
        path: PathBuf,
    },
    /// There is no init system that could start the agent.
    #[error(
        "found no init system that ivring-agent knows: looked for {looked_for}; start `ivring-agent run` by this \
        system's own means{hint}"
    )]
    NoInit {
        /// What would have been one.
        looked_for: &'static str,
        /// What else may help, beginning with a comma.
        hint: &'static str,
    },
    /// The prefix can't be written in a service file.
    #[error("--prefix '{}': an absolute path of letters, digits and . _ + - / is needed", path.display())]
    Prefix {
        /// The prefix given.
        path: PathBuf,
    },
    /// Something that no installation made is in its place.
    #[error("{} was not put there by `ivring-agent install`: move it out of the way first", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Somebody starts the agent already.
    #[error("line {line} of {} starts the agent already, and was not put there by `ivring-agent install`: remove it \
        first", path.display())]
    ForeignLine {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// A directory that must be written to can't be.
    #[error("can't write to {}: {source}; nothing was changed", path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file could not be read or changed.
    #[error("can't {action} {}: {source}", path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A command did not do what it was to do.
    #[error("`{command}` failed: {outcome}")]
    Command {
        /// The command.
        command: String,
        /// How it ended and what it said.
        outcome: String,
    },
    /// A process could not be told something.
    #[error("can't send {signal} to process {process}: {source}")]
    Signal {
        /// Name of the signal.
        signal: &'static str,
        /// The process.
        process: i32,
        /// What went wrong.
        source: io::Error,
    },
}

impl InstallError {
    /// The exit code of a command that fails with this.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoInit { .. } | Self::Foreign { .. } | Self::ForeignLine { .. } => 3,
            Self::NoRoot { .. } | Self::Prefix { .. } => 4,
            Self::NotRoot { .. }
            | Self::NotWritable { .. }
            | Self::File { .. }
            | Self::Command { .. }
            | Self::Signal { .. } => 5,
        }
    }
}

/// For `map_err`: what was to be done to which file.
pub(super) fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.into();
    move |source| InstallError::File { action, path, source }
}
