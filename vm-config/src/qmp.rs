//! The device in a QEMU process that libvirt does not own, by way of its machine monitor.
//!
//! QEMU's machine protocol (QMP) is JSON, one object a line, over a UNIX socket that takes one client at a time:
//! `-qmp unix:PATH,server=on,wait=off`. [`Monitor`] speaks it; [`Survey`] asks what machine it is, what is in it and where
//! devices can be plugged in; [`Attachment`] puts the device there and takes everything back if a step fails;
//! [`Detachment`] asks the guest to let go of it and removes its memory.
//!
//! A QEMU of libvirt's is refused: libvirt would not know of the device, and have the same address for another.
//!
//! What QEMU is asked, and what it answers when it refuses, was tried with QEMU 7.2. Names are those of its QOM tree
//! (`docs/devel/qom.rst` and `qapi/qom.json` in its sources).

mod attach;
mod detach;
mod elsewhere;
mod error;
mod file;
mod ids;
mod monitor;
mod owner;
mod place;
mod seen;
mod survey;
mod words;

pub use attach::{Attached, Attachment};
pub use detach::{Detached, Detachment};
pub use error::QmpError;
pub use file::FileError;
pub use ids::Ids;
pub use monitor::{Monitor, MonitorError};
pub use owner::check_socket;
pub use place::{Place, Wanted};
pub use seen::{InGuest, Seen};
pub use survey::{Backend, Bus, BusKind, Present, Survey};
pub use words::{attach_words, detach_words};
