//! `ivring-agent run` and the commands that speak with it, as processes, against a small host in the test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod agent;
mod broken;
mod commands;
mod configuration;
mod control;
mod ends;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../fake_machine/files.rs"]
mod files;
mod host;
mod joins;
mod memory;
mod memory_types;
mod refuses;
mod resumes;
mod talks;
