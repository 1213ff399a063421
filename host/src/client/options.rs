//! Which daemon a client speaks with.

use std::path::PathBuf;

/// Which daemon, and which of its regions. The default is this user's daemon, or root's, with all regions.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// The control socket; `None`: this user's own daemon's if there is one, root's otherwise.
    pub socket: Option<PathBuf>,
    /// Name of the one region that is meant; `None`: all of them. A guest that is in several is reached by this.
    pub region: Option<String>,
}
