//! How to join.

use std::path::PathBuf;
use std::time::Duration;

use ivring_proto::link::DEFAULT_MAX_MESSAGE;
use ivring_proto::session::{Port, Uuid};
use ivring_proto::wait::Profile;

use crate::memory_type::MemoryChoice;
use crate::pci::Address;

/// How to join. The default is what a program in a VM needs, but for its port: see [`Options::port`].
#[derive(Debug, Clone)]
pub struct Options {
    /// A region's file instead of a PCI device: a host process in the place of a VM.
    pub region: Option<PathBuf>,
    /// The device to use. `None`: the ivshmem device that holds a region.
    pub pci: Option<Address>,
    /// The memory type to map the region with.
    pub memory_type: MemoryChoice,
    /// UUID of the VM. `None`: the one in SMBIOS, else /etc/machine-id.
    pub id: Option<Uuid>,
    /// This program's port. Each program of a VM has one of its own; `agent` is the agent's.
    pub port: Port,
    /// Name to show. `None`: the host name.
    pub name: Option<String>,
    /// The host counts as stale when its heartbeat has not moved for this long.
    pub stale_after: Duration,
    /// How to wait for messages.
    pub profile: Profile,
    /// Longest message in bytes, sent or received. 64 MiB.
    pub max_message: usize,
    /// Bytes received before their space is given back: what a crash of this program at most brings back, marked as
    /// redelivered, beside what was in hand. 0 gives back each record by itself, for a store to a line that the host reads.
    /// `None`: an eighth of the ring.
    pub repeat_window: Option<u64>,
    /// Directory below which `sys`, `proc` and `etc` are looked for.
    pub root: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            region: None,
            pci: None,
            memory_type: MemoryChoice::Auto,
            id: None,
            port: Port::agent(),
            name: None,
            stale_after: Duration::from_secs(5),
            profile: Profile::Balanced,
            max_message: DEFAULT_MAX_MESSAGE,
            repeat_window: None,
            root: PathBuf::from("/"),
        }
    }
}
