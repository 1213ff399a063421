//! A daemon on regions of the lab's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ivring_proto::control::{Client, ClientError, Request, Service, Target};
use ivring_vm_config::Size;
use nix::sys::signal::Signal;
use serde::Deserialize;

use crate::{Error, Lab, Process};

/// How long the daemon may take to start, and to end.
const LIMIT: Duration = Duration::from_secs(10);
/// How often something awaited is asked for.
const POLL: Duration = Duration::from_millis(20);

/// A running `ivringd`. Dropping it ends it without a farewell.
#[derive(Debug)]
pub(crate) struct Daemon {
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
    /// Starts it on regions, each given as `--region` takes it, and waits until its control socket answers. Those that it makes
    /// are of `size`.
    pub(crate) fn start(lab: &Lab, ivringd: &Path, regions: &[&str], size: Size) -> Result<Self, Error> {
        let socket = lab.folder().join("ivringd.sock");
        let mut command = Command::new(ivringd);
        for region in regions {
            command.args(["--region", region]);
        }
        command.args(["--size", &size.to_string()]);
        // This machine's own configuration is none of the lab's.
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

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The file of its log.
    pub(crate) fn log(&self) -> &Path {
        self.process.log()
    }

    /// Its control socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection to it.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        Client::connect(Service::Daemon, &self.socket).map_err(failed("ivringd"))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with the end of its log if not.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let Some(status) = self.process.status()? else { return Ok(()) };
        let log = fs::read_to_string(self.process.log()).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or("nothing");
        Err(Error::Failed(format!("ivringd has ended ({status}); it said last: {last}")))
    }

    /// Waits until the guest with this UUID is attached, and returns its channel.
    pub(crate) fn wait_for(&mut self, uuid: &str, limit: Duration) -> Result<u64, Error> {
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

    /// Asks the guest with this UUID for something; returns the answer.
    pub(crate) fn ask(&self, uuid: &str, topic: &str) -> Result<Vec<u8>, Error> {
        let timeout_ms = u32::try_from(LIMIT.as_millis()).unwrap_or(u32::MAX);
        let request = Request::Request { target: target(uuid), topic: topic.to_owned(), timeout_ms };
        let (_, answer) = self.client()?.call(&request, &[]).map_err(failed("ask the guest"))?;
        Ok(answer)
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait(LIMIT)?;
        if status.success() { Ok(()) } else { Err(Error::Failed(format!("ivringd ended with {status}"))) }
    }
}

/// The guest with this UUID, for a request.
pub(crate) fn target(uuid: &str) -> Target {
    Target { guest: Some(uuid.to_owned()), region: None }
}

/// Turns a client's error into one that says what was tried; made for `map_err`.
pub(crate) fn failed(what: &str) -> impl FnOnce(ClientError) -> Error {
    move |error| Error::Failed(format!("{what}: {error}"))
}
