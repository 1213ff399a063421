//! Whether a host is found to have all that it takes: each check made to fail by a host that is a folder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod confinement;
mod documented;
mod fixture;
mod region;
mod remedies;
mod surroundings;
