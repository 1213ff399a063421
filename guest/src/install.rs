//! The agent as a service of this machine, or of a machine whose files are mounted here.
//!
//! | module | what it is |
//! | --- | --- |
//! | `init` | which program starts services here |
//! | `plan` | what is to be changed, from what is there |
//! | `change` | one change: how it reads and how it is made |
//! | `inittab` | the agent's line in `/etc/inittab` |
//! | `ours` | what was put here by an installation, and what was not |
//! | `rooted` | paths below another root |
//! | `running` | whether the service runs |
//! | `service` | whether something starts the agent at boot |
//!
//! What is there is looked at first, and every refusal comes before the first change. A plan holds only what is not so
//! yet: an empty one means that all is done already, and one that failed half-way is taken up by doing it again.

mod change;
mod error;
mod init;
mod inittab;
mod ours;
mod plan;
mod rooted;
mod running;
mod service;

use std::path::PathBuf;

pub(crate) use change::Change;
pub(crate) use error::InstallError;
pub(crate) use plan::{install, uninstall};
pub(crate) use running::comes_up;
pub(crate) use service::{Service, service};

/// The name of the program, the service and its file.
const NAME: &str = "ivring-agent";

/// The machine to be changed.
#[derive(Debug)]
pub(crate) enum Machine {
    /// The one this process runs on. Its services are started and stopped.
    This,
    /// One whose files are below this directory. Nothing is run, started or stopped.
    Mounted(PathBuf),
}

/// What is to be done, and what it leaves alone.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order in which they are to be made.
    pub changes: Vec<Change>,
    /// Files in the way of an uninstallation that no installation put there.
    pub left: Vec<PathBuf>,
}

impl Plan {
    /// Makes all changes.
    ///
    /// Blocks until the init system has started or stopped the service.
    ///
    /// # Errors
    ///
    /// The first that fails; those before it stay. The same command goes on where it ended.
    pub(crate) fn carry_out(&self) -> Result<(), InstallError> {
        self.changes.iter().try_for_each(Change::make)
    }
}
