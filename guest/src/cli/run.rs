//! `ivring-agent run`.

use super::Run;
use super::failure::Failure;
use crate::Options;
use crate::agent::{Agent, AgentError, Config};

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Failure::new(error.exit_code(), error.to_string())
    }
}

/// Runs the agent until a signal comes.
pub(super) fn run(run: Run) -> Result<(), Failure> {
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
