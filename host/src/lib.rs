//! The host side of ivring: owns a region and speaks with every guest in it.

mod byte_size;
pub mod cli;
pub mod daemon;
mod desk;
mod event;
#[cfg(test)]
mod help_examples;
mod host;
mod listing;
mod log;
pub mod mappers;
mod options;
mod region;
pub mod region_file;
pub mod region_glob;
pub mod region_name;
mod session_table;

pub use event::Event;
pub use host::{GuestInfo, Host, HostSendError};
pub use ivring_proto::link::{Counters, InvalidTopic, LinkError, SendError, Status, Undelivered};
pub use ivring_proto::session::{CloseReason, Identity, Liveness, Phase, Port, Refusal, Uuid};
pub use ivring_proto::wait::Profile;
pub use options::Options;
pub use region::{DEFAULT_CHANNELS, OpenError};
