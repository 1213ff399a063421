//! `ivring-agent run`.

use ivring_proto::console::Failure;

use super::Run;
use crate::Options;
use crate::agent::{Agent, AgentError, Config};

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Failure::new(error.exit_code().into(), error.to_string())
    }
}

/// The file read when none is named.
pub(super) const USUAL_CONFIG: &str = "/etc/ivring/agent.toml";

/// Runs the agent until a signal comes.
pub(super) fn run(run: Run) -> Result<(), Failure> {
    if let Some(file) = run.config {
        tracing::info!("options were read from {}", file.display());
    }
    let options = Options {
        region: run.region,
        pci: run.pci,
        id: run.id,
        name: run.name,
        profile: run.profile,
        root: run.machine.root,
        ..Options::default()
    };
    Ok(Agent::start(Config { options, once: run.once, socket: run.socket.socket })?.run()?)
}
