//! A host and a guest of protocol 1.0, kept for ever.
//!
//! They are written from the text of docs/protocol.md for that version, with every number spelled out, and share with the
//! project's own code nothing but the mapping of the file: so they do not follow when that code changes. When a test with
//! them fails, the new code is wrong, not they.
//!
//! They are stricter than 1.0 asks for: what no program of 1.0 writes into a session of 1.0 is an error here, so that a test
//! sees it when a newer peer does.
//!
//! | file | what |
//! | --- | --- |
//! | `region` | offsets, superblock, names |
//! | `ring` | records from one side to the other |
//! | `record` | the envelope |
//! | `talk` | both rings of a session: answers pings and requests |
//! | `pulse` | the heartbeat that a side writes |
//! | `request` | a guest's way to a channel |
//! | `guest`, `host` | the two sides |
//! | `running` | either of them on a thread |

#[cfg(test)]
mod golden;
mod guest;
mod host;
mod pulse;
mod record;
mod region;
mod request;
mod ring;
mod running;
mod talk;

pub use guest::{OldGuest, Program};
pub use host::{OldHost, Shape};
pub use record::Record;
pub use running::{Peer, Running, Seen};
pub use talk::{ECHO, Talk};
