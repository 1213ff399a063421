//! Hosts and guests on one region, step by step with a clock of the test's own: who gets which channel, and what becomes
//! of messages in flight.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod faults;
mod guest_restarts;
mod host_restarts;
mod joining;
mod second_writers;
mod world;
