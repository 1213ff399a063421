//! The commands for domains of libvirt, run against a virsh of the tests' own: what cannot be had from a real libvirt, or
//! not at the right moment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod changes;
mod connections;
mod fake;
mod host;
mod names;
mod question;
mod remove;
mod rollback;
mod secrets;
mod watch;
