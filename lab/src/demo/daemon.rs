//! The daemon of the demo, on a region of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ivring_proto::control::{Client, Request, Service, Target};
use ivring_vm_config::Shmem;
use nix::sys::signal::Signal;
use serde::Deserialize;

use super::failed;
use crate::{Error, Lab, Process};

/// How long the daemon may take to start, and to end.
const LIMIT: Duration = Duration::from_secs(10);
/// How often something awaited is asked for.
const POLL: Duration = Duration::from_millis(20);

/// A running `ivringd`. Dropping it ends it without a farewell.
#[derive(Debug)]
pub(super) struct Daemon {
    process: Process,
    socket: PathBuf,
}

/// A guest as `list` shows it.
#[derive(Debug, Deserialize)]
struct Listed {
    guest: String,
    channel: u64,
    state: String,
}

#[derive(Debug, Deserialize)]
struct List {
    guests: Vec<Listed>,
}

impl Daemon {
    /// Starts it, and waits until its control socket answers.
    pub(super) fn start(lab: &Lab, ivringd: &Path, region: &Shmem) -> Result<Self, Error> {
        let socket = lab.folder().join("ivringd.sock");
        let mut command = Command::new(ivringd);
        command.args(["--region", region.name(), "--size", &region.size().to_string()]);
        // This machine's own configuration is none of the demo's.
        command.args(["--config", "/dev/null", "--socket"]).arg(&socket);
        let mut daemon = Self { process: lab.spawn("ivringd", command)?, socket };
        let deadline = Instant::now() + LIMIT;
        loop {
            match daemon.client() {
                Ok(_) => return Ok(daemon),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => daemon.check()?,
            }
            thread::sleep(POLL);
        }
    }

    /// Its control socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection to it.
    pub(super) fn client(&self) -> Result<Client, Error> {
        Client::connect(Service::Daemon, &self.socket).map_err(failed("ivringd"))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with the end of its log if not.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let Some(status) = self.process.status()? else { return Ok(()) };
        let log = fs::read_to_string(self.process.log()).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or("nothing");
        Err(Error::Failed(format!("ivringd has ended ({status}); it said last: {last}")))
    }

    /// Waits until the guest with this UUID is attached, and returns its channel.
    pub(super) fn wait_for(&mut self, uuid: &str, limit: Duration) -> Result<u64, Error> {
        let deadline = Instant::now() + limit;
        let mut client = self.client()?;
        loop {
            let (response, _) = client.call(&Request::List, &[]).map_err(failed("list the guests"))?;
            let List { guests } = response
                .payload()
                .map_err(|error| Error::Failed(format!("ivringd's list of guests is none: {error}")))?;
            let guest = guests.iter().find(|listed| listed.guest == uuid);
            match guest {
                Some(guest) if guest.state == "attached" => return Ok(guest.channel),
                _ if Instant::now() >= deadline => {
                    let state = guest.map_or("not there", |guest| guest.state.as_str());
                    return Err(Error::Failed(format!(
                        "guest {uuid} is not attached after {limit:?}: it is {state}"
                    )));
                }
                _ => self.check()?,
            }
            thread::sleep(POLL);
        }
    }

    /// Ends it as an operator would.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait(LIMIT)?;
        if status.success() { Ok(()) } else { Err(Error::Failed(format!("ivringd ended with {status}"))) }
    }
}

/// The guest with this UUID, for a request.
pub(super) fn target(uuid: &str) -> Target {
    Target { guest: Some(uuid.to_owned()), region: None }
}
