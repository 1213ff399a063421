//! What goes beyond one record, between two programs on one pair of rings: messages in fragments, requests, and what
//! becomes of them when one of the programs is replaced.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod batches;
mod hostile;
mod large;
mod pair;
#[path = "../random/mod.rs"]
mod random;
mod replaced;
mod requests;
