//! A program that proves the delivery of messages, and the check of its proof.
//!
//! `ivring-witness` runs as the host of a region or as a program in a guest. It sends numbered messages, checks each one
//! that it receives whole, and writes both down before it goes on. Nothing but its journals is believed: they say after a
//! SIGKILL what was published and what was received.
//!
//! | file | what |
//! | --- | --- |
//! | `work` | what it is to do |
//! | `message` | a payload made of a number, of any size |
//! | `journal` | what the witness writes down |
//! | `sending` | messages of one record, messages in fragments and their echoes |
//! | `asking`, `answering` | requests, and the answers to the peer's |
//! | `pinging` | pings while all that goes on |
//! | `conversation` | all of it with one peer |
//! | `program` | its command line |
//! | `side` | what the two sides have alike |
//! | `host`, `guest` | the two sides |
//! | `delivery` | the check of the journals of both sides: messages of one record |
//! | `outcomes` | the same: everything that was sent has come, or its end was told |

mod answering;
mod asking;
mod conversation;
mod delivery;
mod guest;
mod host;
mod journal;
mod message;
mod outcomes;
mod pinging;
mod program;
mod sending;
mod side;
mod work;

pub use delivery::{Delivery, Disproof, check};
pub use guest::run_guest;
pub use host::run_host;
pub use journal::{End, Journal, Line, What, read_journal};
pub use outcomes::{Outcomes, check_order, check_outcomes};
pub use program::Program;
pub use work::Work;

pub(crate) use message::Message;
