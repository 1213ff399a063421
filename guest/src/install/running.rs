//! Whether the service runs on this machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ivring_proto::console::Endpoint;
use ivring_proto::control::Service;

use super::NAME;

/// How long a service may take until it answers on its socket; it takes some milliseconds.
const START_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Whether systemd says that it runs.
pub(super) fn is_active() -> bool {
    let mut query = Command::new("systemctl");
    query.args(["is-active", "--quiet", NAME]).stdin(Stdio::null()).stderr(Stdio::null());
    query.status().is_ok_and(|status| status.success())
}

/// The children of init that run `program`, also one whose file was replaced since it started.
///
/// An agent that somebody started by hand is another program's child, and is left alone.
pub(super) fn children_of_init(program: &Path) -> Vec<i32> {
    let replaced = format!("{} (deleted)", program.display());
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|&process: &i32| {
            let exe = fs::read_link(format!("/proc/{process}/exe"));
            exe.is_ok_and(|exe| exe == program || exe.as_os_str() == replaced.as_str())
                && parent(process) == Some(1)
        })
        .collect()
}

/// The parent of a process, proc_pid_status(5).
fn parent(process: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Waits until an agent answers on the service's socket; false if none does for some seconds.
pub(crate) fn comes_up() -> bool {
    let socket = Some(Service::Agent.path_to_serve());
    let agent = Endpoint { service: Service::Agent, socket };
    let deadline = Instant::now() + START_LIMIT;
    while agent.connect().is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
