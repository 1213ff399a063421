//! Coverage-guided fuzzing of all that reads what somebody else wrote.
//!
//! A target is a function of an input: bytes that mean an image of memory and a program of calls, decoded by [`Input`]. It
//! panics when something does not hold that must hold whatever the input is, and says else how far the input came. The
//! engine (libFuzzer, with the feature `engine`) looks for inputs that reach code which none before them reached; without
//! it any input can be run.
//!
//! | module | what is attacked |
//! | --- | --- |
//! | [`ring`] | producer and consumer, their recovery, the walk |
//! | [`link`] | messages, fragments and requests between two programs |
//! | [`session`] | join, heartbeat, restart and good-bye, of host and guests |
//! | [`superblock`] | the first page, and what a guest makes of it |
//! | [`control`] | frames, headers and clients of the control socket |
//! | [`domain_xml`] | the XML of domains |
//! | `target` | these by name, with a bound on the memory they take |
//! | `memory` | shared memory that tells of who stores where he should not, and changes while it is read |
//! | `territory` | which areas are whose |
//! | `lies` | words that are wrong, or nearly right |

pub mod control;
pub mod domain_xml;
mod input;
mod lies;
pub mod link;
mod memory;
pub mod ring;
#[cfg(test)]
mod seed;
pub mod session;
pub mod superblock;
mod target;
mod territory;

pub use input::Input;
pub use target::Target;
