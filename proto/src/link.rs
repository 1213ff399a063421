//! Messages over one channel's two rings.
//!
//! | file | what |
//! | --- | --- |
//! | `envelope` | what stands before every payload: kind, id, topic |
//! | `fragment` | where a piece of a larger message belongs |
//! | `value` | [`value`]: payloads that are plain values |
//! | `rings` | [`Link`]: both rings of a channel and the messages in them |
//! | `exchange` | what goes beyond one record: large messages, requests with deadlines (with the feature `std`) |
//! | `guest_end` | [`GuestEnd`]: from an unformatted region to an attached link, and back after every event |
//! | `admission` | [`FrontDesk`]: reads join cells, decides, hands out channels |
//! | `format` | [`format_region`]: makes a region of unused memory
//! | `host_end` | [`HostEnd`]: one channel, its session and its link, seen by the host |

mod admission;
mod envelope;
#[cfg(feature = "std")]
mod exchange;
mod format;
mod fragment;
mod guest_end;
mod host_end;
mod rings;
mod value;

pub use admission::{FrontDesk, Refused};
pub use envelope::{ENVELOPE, EnvelopeError, InvalidTopic, Kind, MAX_TOPIC, Status, Topic};
#[cfg(feature = "std")]
pub use exchange::{
    Arrival, Budget, DEFAULT_MAX_MESSAGE, DEFAULT_MAX_REASSEMBLY, Declined, Exchange, Incarnation, Losses,
    Outcome, Tried, Unanswered, WINDOW, WaitingAnswers, is_transfer,
};
pub use format::format_region;
pub use fragment::Fragment;
pub use guest_end::{GuestEnd, GuestEvent, GuestOptions, Waiting};
pub use host_end::{HostEnd, HostEvent, Undelivered};
pub use rings::{Counters, Link, LinkError, Received, SendError};
pub use value::{WrongSize, value};
