//! Messages over one channel's two rings.
//!
//! | file | what |
//! | --- | --- |
//! | `envelope` | what stands before every payload: kind, id, topic |
//! | `rings` | [`Link`]: both rings of a channel and the messages in them |
//! | `guest_end` | [`GuestEnd`]: from an unformatted region to an attached link, and back after every event |
//! | `admission` | [`FrontDesk`]: reads join cells, decides, hands out channels |
//! | `format` | [`format_region`]: makes a region of unused memory
//! | `host_end` | [`HostEnd`]: one channel, its session and its link, seen by the host |

mod admission;
mod envelope;
mod format;
mod guest_end;
mod host_end;
mod rings;

pub use admission::{FrontDesk, Refused};
pub use envelope::{ENVELOPE, EnvelopeError, InvalidTopic, Kind, MAX_TOPIC, Status, Topic};
pub use format::format_region;
pub use guest_end::{GuestEnd, GuestEvent, GuestOptions, Waiting};
pub use host_end::{HostEnd, HostEvent, Undelivered};
pub use rings::{Counters, Link, LinkError, Received, SendError};
