//! A program that proves the delivery of messages, and the check of its proof.
//!
//! `ivring-witness` runs as the host of a region or as a program in a guest. It sends numbered messages, checks each one
//! that it receives whole, and writes both down before it goes on. Nothing but its journals is believed: they say after a
//! SIGKILL what was published and what was received.
//!
//! | file | what |
//! | --- | --- |
//! | `message` | a payload made of a number, of any size |
//! | `journal` | what the witness writes down |
//! | `sending` | how far it is with its messages |
//! | `host`, `guest` | the two sides |
//! | `delivery` | the check of the journals of both sides |

mod delivery;
mod guest;
mod host;
mod journal;
mod message;
mod sending;

pub use delivery::{Delivery, check};
pub use guest::run_guest;
pub use host::run_host;
pub use journal::{Journal, Line, read_journal};
pub use sending::Load;
