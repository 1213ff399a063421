//! The guest side of ivring: finds the shared region on the PCI bus and speaks with the host over it.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`pci`] | the PCI devices of this machine, as sysfs shows them |
//! | [`bar`] | BAR 2 of an ivshmem device, mapped |
//! | [`device_memory`] | that memory mapped as fits it: which memory type it has |
//! | [`memory_type`] | what is asked for, what was found, what to do about it |
//! | [`discover`] | which of the devices holds the region |
//! | [`machine`] | who this guest is: UUID, boot id, name |
//! | [`cli`] | the program `ivring-agent`: its commands |
//! | `agent` | what `ivring-agent run` does |
//! | `doctor` | why nothing arrives |
//! | `install` | the agent as a service of a machine |
//!
//! A program of one's own starts with [`Guest`].

mod agent;
pub mod bar;
pub mod cli;
pub mod device_memory;
pub mod discover;
mod doctor;
mod event;
mod guest;
mod install;
pub mod machine;
pub mod memory_type;
mod options;
pub mod pci;
mod region;
mod room;
mod small_file;

pub use event::Event;
pub use guest::{Batch, Guest, GuestSendError, JoinError};
pub use ivring_proto::bytemuck;
pub use ivring_proto::link::{
    Arrival, Counters, Declined, InvalidTopic, Kind, LinkError, Losses, SendError, Status, Unanswered,
    Waiting, WrongSize, value,
};
pub use ivring_proto::memory::guard_mappings;
pub use ivring_proto::session::{CloseReason, Port, Uuid, printable};
pub use ivring_proto::wait::Profile;
pub use memory_type::MemoryChoice;
pub use options::Options;
pub use region::{MapError, Place, RegionLost};
