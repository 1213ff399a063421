//! `ivring-agent install` and `uninstall` on systems that are only files below a directory. Running ones are the lab's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod dry_run;
mod inittab;
mod refusals;
mod system;
mod systemd;
