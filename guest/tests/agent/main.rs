//! `ivring-agent run` and the commands that speak with it, as processes, against a small host in the test.
#![allow(missing_docs, missing_debug_implementations)]

mod agent;
mod host;
mod talks;
