//! The host side of ivring: owns a region and speaks with every guest in it.

pub mod cli;
mod client;
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
mod reformat;
mod region;
pub mod region_file;
pub mod region_glob;
pub mod region_name;
mod session_table;

pub use client::{Client, ClientOptions, ClientSendError};
pub use event::Event;
pub use host::{Batch, GuestFaults, GuestInfo, Host, HostSendError, LastTime, Refusals};
pub use ivring_proto::bytemuck;
pub use ivring_proto::control::ClientError;
pub use ivring_proto::link::{
    Arrival, Counters, Declined, InvalidTopic, Kind, LinkError, Losses, SendError, Status, Unanswered,
    Undelivered, WrongSize, value,
};
pub use ivring_proto::memory::{MemoryType, guard_mappings};
pub use ivring_proto::session::{
    Caching, CloseReason, Identity, Liveness, Phase, Port, Refusal, Uuid, printable,
};
pub use ivring_proto::wait::Profile;
pub use options::Options;
pub use region::{DEFAULT_CHANNELS, OpenError};
