//! Messages over one channel's two rings.
//!
//! | file | what |
//! | --- | --- |
//! | `envelope` | what stands before every payload: kind, id, topic |
//! | `rings` | [`Link`]: both rings of a channel and the messages in them |
//! | `guest_end` | [`GuestEnd`]: from an unformatted region to an attached link, and back after every event |
//! | `host_end` | [`HostEnd`]: one channel, its session and its link, seen by the host |

mod envelope;
mod guest_end;
mod host_end;
mod rings;

pub use envelope::{ENVELOPE, EnvelopeError, InvalidTopic, Kind, MAX_TOPIC, Status, Topic};
pub use guest_end::{GuestEnd, GuestEvent, GuestOptions, Waiting};
pub use host_end::{HostEnd, HostEvent, Undelivered, answer_refusal};
pub use rings::{Counters, Link, LinkError, Received, SendError};
