//! `--keep`: what to type next, and waiting for the end.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::daemon::Daemon;
use super::{NAMES, host_process};
use crate::{Artifacts, Error};

/// How often the daemon is looked after meanwhile.
const POLL: Duration = Duration::from_millis(200);

/// Commands to try, as they can be typed; `agents` is the folder of the agents' sockets where they are on this host.
pub(super) fn what_to_type(programs: &Artifacts, socket: &Path, agents: Option<&Path>) -> String {
    let ivring = format!("{} --socket {}", programs.ivring.display(), socket.display());
    let guest = NAMES[0];
    let mut text = format!("\nEverything runs on. In another terminal:\n  {ivring} listen &\n");
    for command in ["ls".to_owned(), format!("ping {guest}"), format!("send {guest} greeting 'hello guest'")]
    {
        writeln!(text, "  {ivring} {command}").expect("a string takes everything");
    }
    if let Some(folder) = agents {
        let agent = programs.agent.display();
        let socket = host_process::socket(folder, guest);
        writeln!(text, "  {agent} send greeting 'hello host' --socket {}", socket.display())
            .expect("a string takes everything");
    }
    text.push_str("Ctrl-C here ends it.\n");
    text
}

/// Waits for Ctrl-C, or the daemon's end.
///
/// # Errors
///
/// [`Error::Failed`] if the daemon ends.
pub(super) fn until_interrupted(daemon: &mut Daemon) -> Result<(), Error> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(Error::io("cannot wait for Ctrl-C"))?;
    while signals.pending().next().is_none() {
        daemon.check()?;
        thread::sleep(POLL);
    }
    Ok(())
}
