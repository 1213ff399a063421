//! The comparison inside a real guest: ivring over an ivshmem device beside virtio-serial, vsock and TCP, in one run.
//!
//! | module | what it is |
//! | --- | --- |
//! | `comparison` | [`compare()`]: the whole of it, from options to report |
//! | `transport`, `way` | who takes part, and what is measured in which direction |
//! | `machine` | the guest with all devices, and the host's ends of them |
//! | `measurement` | one measurement: starts the program in the guest, takes the host's part, watches what else runs |
//! | `orders` | what the program in the guest is told |
//! | `host_side`, `guest_side` | how either opens a transport, and [`serve`], all that the program in the guest does |
//! | `part` | what either does, once it has one |
//! | `area` | the plain memory that both see: raw lines, the bare ring, and where they meet |
//! | `meeting` | how the two sides wait for each other, away from what is measured |
//! | `linked` | a session of ivring as a peer |
//! | `streams` | messages in the streams of the other transports |
//! | `idle` | what waiting costs, and how late the first message is, for each profile |
//! | `busy` | processor time of a process |
//! | `report` | what comes out |
//! | `table`, `page` | the report for a terminal, and for docs/ |
//! | `targets` | what ivring must reach here |
//! | `why` | what a run says of its own limits |

mod area;
mod busy;
mod comparison;
mod guest_side;
mod host_side;
mod idle;
mod linked;
mod machine;
mod measurement;
mod meeting;
mod orders;
mod page;
mod part;
mod report;
mod streams;
mod table;
mod targets;
mod transport;
mod way;
mod why;

pub use comparison::{Options, compare};
pub use guest_side::serve;
pub use idle::{Crowd, Idle};
pub use page::write as write_page;
pub use report::{Absent, Report, Surroundings};
pub use targets::targets;
pub use transport::Transport;
pub use way::{End, Way};
