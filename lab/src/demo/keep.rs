//! `--keep`: what to type next, and waiting for the end.

use std::path::Path;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{NAMES, host_process};
use crate::daemon::Daemon;
use crate::{Artifacts, Error};

/// How often the daemon is looked after meanwhile.
const POLL: Duration = Duration::from_millis(200);

/// Commands to try, as they can be typed; `agents` is the folder of the agents' sockets where they are on this host.
pub(super) fn what_to_type(programs: &Artifacts, daemon: &Path, agents: Option<&Path>) -> String {
    let guest = NAMES[0];
    let mut commands: Vec<_> = [
        "ls".to_owned(),
        format!("ping {guest}"),
        format!("request {guest} ivring.info"),
        "listen".to_owned(),
        format!("send {guest} greeting hello"),
    ]
    .map(|command| format!("{} --socket {} {command}", programs.ivring.display(), daemon.display()))
    .into();
    if let Some(folder) = agents {
        let socket = host_process::socket(folder, guest);
        commands.extend(
            ["listen", "send greeting hello"].map(|command| {
                format!("{} {command} --socket {}", programs.agent.display(), socket.display())
            }),
        );
    }
    format!("\nEverything runs on. In other terminals:\n  {}\nCtrl-C here ends it.\n", commands.join("\n  "))
}

/// Catches Ctrl-C from now on: before anybody is told to press it.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses.
pub(super) fn catch_interrupts() -> Result<Signals, Error> {
    Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(Error::io("cannot wait for Ctrl-C"))
}

/// Waits for Ctrl-C, or the daemon's end.
///
/// # Errors
///
/// [`Error::Failed`] if the daemon ends.
pub(super) fn until_interrupted(daemon: &mut Daemon, mut signals: Signals) -> Result<(), Error> {
    while signals.pending().next().is_none() {
        daemon.check()?;
        thread::sleep(POLL);
    }
    Ok(())
}
