//! What becomes of `ivringd` and of a host when the files that they live on break under them, or are hostile.
//!
//! As root these tests run the daemon as another user, who may do nothing but use its region and its folder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod cut;
mod descriptors;
#[path = "../daemon/fake_guest.rs"]
#[allow(dead_code, reason = "the daemon's own tests use the rest")]
mod fake_guest;
mod full;
mod hostile_folder;
mod library;
mod links;
#[path = "../daemon/place.rs"]
#[allow(dead_code, reason = "the daemon's own tests use the rest")]
mod place;
#[path = "../daemon/running.rs"]
#[allow(dead_code, reason = "the daemon's own tests use the rest")]
mod running;
mod two;
mod unprivileged;
