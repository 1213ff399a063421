//! Somebody else writes in a program's place: clones, snapshots put back, two daemons, programs that come back too late.
//!
//! With real guests where it takes any. Each case ends in traffic that flows again, and in words that an operator reads.

#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../end_to_end/agent.rs"]
mod agent;
mod clone;
mod copied_over;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../end_to_end/daemon.rs"]
mod daemon;
mod disk;
mod heartbeat;
mod program;
mod refused;
mod reverted;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../end_to_end/setup.rs"]
mod setup;
mod twins;
mod two_daemons;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../end_to_end/witness.rs"]
mod witness;
mod zombie;
