//! What `ivring doctor` and `ivring-agent doctor` look at: a line a check, and what both judge by the same rule.
//!
//! | file | what |
//! | --- | --- |
//! | `line` | one check: what was found and what to do |
//! | `report` | the lines on standard output, and the exit code that follows |
//! | `chain` | checks that build on each other |
//! | `region` | a superblock, and the versions in it |
//! | `heartbeat` | whether a heartbeat moves |
//! | `rings` | what waits in a channel's rings, and whether anybody takes it |
//! | `profile` | how a program waits |
//!
//! Nothing here writes to a region. Whoever doubts a region looks at it with a mapping that cannot.

mod chain;
mod heartbeat;
mod line;
mod profile;
mod region;
mod report;
mod rings;

pub use chain::Chain;
pub use heartbeat::{PATIENCE, host_heartbeat, watch_words};
pub use line::{Line, Verdict};
pub use profile::waiting_profile;
pub use region::{Side, superblock, versions};
pub use report::Report;
pub use rings::Rings;
