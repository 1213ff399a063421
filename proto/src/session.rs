//! Sessions: who owns which channel, and whether he still lives.
//!
//! A guest asks for a channel through a join cell, the host echoes the request in the directory, the guest confirms.
//! From then on each side beats its heart and reads back what it wrote. A channel belongs to an [`Identity`], not to a
//! session: it outlives the agent's process, the daemon's and the guest's reboot.
//!
//! | file | what |
//! | --- | --- |
//! | `text`, `printable` | names of bounded length, and how they reach a terminal |
//! | `identity` | UUID and port |
//! | `cell` | the request, as it lies in a join cell |
//! | `answer` | refusals, code and text |
//! | `entry` | the echo, as it lies in the directory |
//! | `pulse` | heartbeat with read-back; liveness by the reader's own clock |
//! | `caching` | how a guest has mapped the region, for the operator |
//! | `close` | why sessions end |
//! | `guest` | the guest's part: [`Joiner`], [`Attachment`] |
//! | `host_pulse` | the host's heartbeat, and how it gives way to another writer: [`HostPulse`] |
//! | `scanned_cells` | requests that a host finds: [`ScannedCells`] |
//! | `admission` | what it decides about each: [`Admission`] |
//! | `host` | the host's part of a session: [`Channel`] |

mod admission;
mod answer;
mod caching;
mod cell;
mod close;
mod entry;
mod guest;
mod host;
mod host_pulse;
mod identity;
mod newcomer;
#[cfg(all(test, loom))]
mod orderings;
mod printable;
mod pulse;
mod scanned_cells;
mod text;

pub use admission::Admission;
pub use answer::{Answer, Refusal, clear_answer, read_answer, write_answer};
pub use caching::Caching;
pub use cell::{JoinRequest, clear_request, is_still_there, read_request, write_request};
pub use close::CloseReason;
pub use entry::{ChannelState, Entry, EntryError, read_entry};
pub use guest::{Attachment, AttachmentEvent, JoinProgress, Joiner, Offer};
pub use host::{Binding, Channel, ChannelEvent, Phase, Starts};
pub use host_pulse::{HostPulse, Rival};
pub use identity::{Identity, InvalidText, Port};
pub use printable::{Printable, printable};
pub use pulse::{BEAT, Liveness, Pulse, SecondWriter, Watch};
pub use scanned_cells::ScannedCells;
pub use text::Text;
pub use uuid::Uuid;

/// A source of random words, from the kernel's generator: nonces, salts and heartbeats must differ between clones of
/// one memory snapshot.
pub trait Entropy {
    /// A random word.
    fn word(&mut self) -> u64;

    /// A random word that is not 0.
    fn nonzero(&mut self) -> u64 {
        // 0 stands for "nothing" everywhere in the region; one value more or less does not weaken a nonce.
        self.word().max(1)
    }
}

impl<F: FnMut() -> u64> Entropy for F {
    fn word(&mut self) -> u64 {
        self()
    }
}
