//! `ivring doctor`: each line made to be other than OK on purpose, and what it says then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod bench;
#[allow(dead_code, reason = "the guest's tests use all of it")]
#[path = "../../../guest/tests/doctor/checks.rs"]
mod checks;
mod daemon;
#[allow(dead_code, reason = "the daemon's own tests use all of it")]
#[path = "../daemon/fake_guest.rs"]
mod fake_guest;
mod guest;
mod libvirt;
mod overview;
#[allow(dead_code, reason = "the daemon's own tests use all of it")]
#[path = "../daemon/place.rs"]
mod place;
mod region;
#[allow(dead_code, reason = "the daemon's own tests use all of it")]
#[path = "../daemon/running.rs"]
mod running;
