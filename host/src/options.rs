//! How to open a region.

use std::path::PathBuf;
use std::time::Duration;

use ivring_proto::link::{DEFAULT_MAX_MESSAGE, DEFAULT_MAX_REASSEMBLY};
use ivring_proto::session::Uuid;
use ivring_proto::wait::Profile;

/// How to open a region. `Options::new("fg_i3")` is what a plain host needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name under `/dev/shm`, or a path with a slash.
    pub region: String,
    /// Size in bytes; an existing region must have it. `None`: as it is, 8 MiB for a new one.
    pub size: Option<u64>,
    /// Number of channels; an existing region must have it. `None`: as it is, 15 for a new one, 1 for a new one that
    /// belongs to one VM.
    pub channels: Option<u64>,
    /// The only VM that may join. `None`: the one in the region's name, `NAME-<uuid>`, else any.
    pub owner: Option<Uuid>,
    /// A guest counts as stale when its heartbeat has not moved for this long.
    pub stale_after: Duration,
    /// Where to keep the session table, which mends a directory that was scribbled over. `None`: nowhere.
    pub state_folder: Option<PathBuf>,
    /// How to wait for messages.
    pub profile: Profile,
    /// Longest message in bytes, sent or received. 64 MiB.
    pub max_message: usize,
    /// Memory for messages of all guests that come in fragments, until they are whole, in bytes. 256 MiB.
    pub max_reassembly: usize,
    /// Bytes received from a guest before their space is given back: what a crash of this process at most brings back,
    /// marked as redelivered, beside what was in hand. 0 gives back each record by itself, for a store to a line that the
    /// guest reads. `None`: an eighth of the ring.
    pub repeat_window: Option<u64>,
}

impl Options {
    /// The defaults for the region of that name.
    pub fn new(region: impl Into<String>) -> Self {
        Options {
            region: region.into(),
            size: None,
            channels: None,
            owner: None,
            stale_after: Duration::from_secs(5),
            state_folder: None,
            profile: Profile::Balanced,
            max_message: DEFAULT_MAX_MESSAGE,
            max_reassembly: DEFAULT_MAX_REASSEMBLY,
            repeat_window: None,
        }
    }
}
