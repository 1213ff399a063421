//! What the benchmarks measure: the ring between two threads, for `cargo bench`, and the comparison with what somebody
//! would use instead, for `cargo compare`; in a guest, for `cargo compare --vm`.
//!
//! | module | what it is |
//! | --- | --- |
//! | `threads` | [`one_way`]: messages from one thread to another over a ring on the heap |
//! | [`linked`] | the same over the link, from a region's host to its guests and back |
//! | [`joining`] | guests that join a host, leave and join again |
//! | [`succession`] | a host that takes another one's place |
//! | `moments` | when measurements of the two begin |
//! | `scratch_region` | a region's file that is gone with the process, however that ends |
//! | [`near`] | measurements of two threads on processors that are near each other |
//! | `compare` | [`compare()`]: the whole comparison, from options to report |
//! | `schedule` | which measurement comes when |
//! | `measurement` | one measurement: starts the workers, watches what else the machine does |
//! | `worker` | [`work`]: the process that is measured, pinned to a core |
//! | `course` | what both sides do in it, once there is a connection |
//! | `cord` | how two workers wait for each other and pass descriptors |
//! | `throughput`, `round_trip`, `copying` | what is measured |
//! | `messages` | ready messages, and the check of every one that arrives |
//! | `bounce` | a raw line between two cores: the floor of a round trip, and the probe of the placement |
//! | `processors` | which two are used |
//! | `placement` | how far apart the two cores are now |
//! | `other_work`, `held_up` | processor time of everybody else, and what it cost the workers |
//! | `patience` | waiting by spinning, not for ever |
//! | `peer`, `peers` | what a peer does, and one file for each of them |
//! | `region` | shared memory of two workers |
//! | `statistics` | medians |
//! | `report`, `system` | [`Report`]: what comes out, and the machine it was made on |
//! | `table`, `plot`, `page` | the report for a terminal, and [`write_page`] for docs/ |
//! | `targets` | [`targets()`]: what ivring must reach, and whether it did |
//! | [`vm`] | the same comparison between the host and a real guest |

mod bounce;
mod compare;
mod copying;
mod cord;
mod course;
mod failure;
mod held_up;
pub mod joining;
pub mod linked;
mod measurement;
mod messages;
mod moments;
pub mod near;
mod other_work;
mod page;
mod patience;
mod peer;
mod peers;
mod placement;
mod plot;
mod processors;
mod region;
mod report;
mod round_trip;
mod schedule;
mod scratch_region;
mod statistics;
pub mod succession;
mod system;
mod table;
mod targets;
mod threads;
mod throughput;
pub mod vm;
mod why;
mod worker;

pub use compare::{Extent, Options, compare};
pub use course::Course;
pub use failure::Failure;
pub use measurement::{Job, Test};
pub use page::write as write_page;
pub use peers::Peer;
pub use placement::Placement;
pub use report::Report;
pub use targets::{Row, targets, verdict};
pub use threads::{CAPACITY, WINDOW, one_way};
pub use worker::work;
