//! The guest side of ivring: finds the shared region on the PCI bus and speaks with the host over it.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`pci`] | the PCI devices of this machine, as sysfs shows them |
//! | [`bar`] | BAR 2 of an ivshmem device, mapped |
//! | [`discover`] | which of the devices holds the region |
//! | [`machine`] | who this guest is: UUID, boot id, name |
//! | [`cli`] | the program `ivring-agent` |

pub mod bar;
pub mod cli;
pub mod discover;
mod event;
mod guest;
pub mod machine;
mod options;
pub mod pci;
mod small_file;

pub use event::Event;
pub use guest::{Guest, GuestSendError, JoinError};
pub use options::Options;
