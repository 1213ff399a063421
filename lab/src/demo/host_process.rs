//! An agent as a process of the host, in the place of a virtual machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ivring_proto::control::{Client, Listener, Request, Service, Target};
use nix::sys::signal::Signal;

use super::heard::collect;
use super::large::checksum;
use super::peer::Peer;
use crate::daemon::failed;
use crate::{Error, Flood, Lab, Plan, Process, flood};

/// How long the agent may take to end.
const LIMIT: Duration = Duration::from_secs(10);

/// A running agent.
#[derive(Debug)]
pub(super) struct HostProcess {
    process: Process,
    socket: PathBuf,
    hearing: Option<(Listener, usize)>,
}

impl HostProcess {
    /// Starts it; that it can be spoken with is sure when the daemon sees it attached.
    pub(super) fn start(lab: &Lab, agent: &Path, plan: &Plan, region: &Path) -> Result<Self, Error> {
        let socket = socket(lab.folder(), &plan.name);
        let mut command = Command::new(agent);
        command.arg("run").arg("--region").arg(region).arg("--socket").arg(&socket);
        command.args(["--id", &plan.uuid, "--name", &plan.name]);
        let process = lab.spawn(&plan.name, command)?;
        Ok(Self { process, socket, hearing: None })
    }

    fn client(&self) -> Result<Client, Error> {
        Client::connect(Service::Agent, &self.socket).map_err(failed("agent"))
    }
}

/// The control socket of the agent with this name.
pub(super) fn socket(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.sock"))
}

impl Peer for HostProcess {
    fn listen(&mut self, topic: &str, count: usize) -> Result<(), Error> {
        let listener = self.client()?.listen(Target::default(), Some(topic.to_owned()));
        self.hearing = Some((listener.map_err(failed("listen to the agent"))?, count));
        Ok(())
    }

    fn heard(&mut self) -> Result<Vec<String>, Error> {
        let Some((mut listener, count)) = self.hearing.take() else { return Ok(Vec::new()) };
        let heard = collect(&mut listener, count)?;
        Ok(heard.into_iter().map(|payload| String::from_utf8_lossy(&payload).into_owned()).collect())
    }

    fn listen_for_one(&mut self, topic: &str) -> Result<(), Error> {
        self.listen(topic, 1)
    }

    fn checksum(&mut self) -> Result<String, Error> {
        let Some((mut listener, count)) = self.hearing.take() else { return Ok(String::new()) };
        checksum(&collect(&mut listener, count)?.concat())
    }

    fn say(&mut self, topic: &str, texts: &[String]) -> Result<(), Error> {
        let mut client = self.client()?;
        let request = Request::Send { target: Target::default(), topic: topic.to_owned(), wait_ms: 5_000 };
        for text in texts {
            client.call(&request, text.as_bytes()).map_err(failed("send to the host"))?;
        }
        Ok(())
    }

    fn flood(&mut self, bytes: u32, span: Duration) -> Result<Flood, Error> {
        flood(&mut self.client()?, &Target::default(), bytes, span).map_err(failed("send to the host"))
    }

    fn stop(mut self: Box<Self>) -> Result<(), Error> {
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait(LIMIT)?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Failed(format!("ivring-agent ended with {status}")))
        }
    }
}
