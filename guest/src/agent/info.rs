//! What the agent answers to the host's request `ivring.info`.

use std::path::Path;

use serde::Serialize;

use crate::machine::Machine;
use crate::{Guest, small_file};

/// This machine and this agent; what can't be read is left out.
#[derive(Debug, Serialize)]
struct Info<'a> {
    agent: &'static str,
    name: &'a str,
    hostname: Option<String>,
    kernel: Option<String>,
    uptime_seconds: Option<u64>,
    boot: String,
    memory: String,
    profile: &'static str,
}

/// The answer, as JSON.
pub(super) fn info(machine: &Machine, guest: &Guest) -> Vec<u8> {
    let options = guest.options();
    let kernel = |file: &str| small_file::read(&options.root.join("proc/sys/kernel").join(file)).ok();
    let info = Info {
        agent: env!("CARGO_PKG_VERSION"),
        name: &machine.name,
        hostname: kernel("hostname"),
        kernel: kernel("osrelease"),
        uptime_seconds: uptime(&options.root),
        boot: machine.boot.to_string(),
        memory: guest.mapped_as().to_string(),
        profile: options.profile.name(),
    };
    serde_json::to_vec(&info).expect("numbers and text can always be written as JSON")
}

/// Seconds since the kernel was booted: the first number in proc_uptime(5).
fn uptime(root: &Path) -> Option<u64> {
    let text = small_file::read(&root.join("proc/uptime")).ok()?;
    text.split('.').next()?.parse().ok()
}
