//! `ivring-agent doctor`: each line made to be other than OK on purpose, and what it says then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

#[allow(dead_code, reason = "the agent's own tests use all of it")]
#[path = "../agent/agent.rs"]
mod agent;
mod answers;
#[allow(dead_code, reason = "the host's tests use all of it")]
mod checks;
mod device;
#[allow(dead_code, reason = "the agent's own tests use all of it")]
#[path = "../fake_machine/files.rs"]
mod files;
#[allow(dead_code, reason = "the agent's own tests use all of it")]
#[path = "../agent/host.rs"]
mod host;
mod machine;
mod region;
