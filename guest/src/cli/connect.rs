//! The way to the running agent: its control socket.

use ivring_proto::control::{Client, ClientError, Service};
use ivring_proto::session::printable;

use super::Socket;
use super::failure::Failure;

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = error.code().into();
        // The agent's words may hold the host's.
        Failure::new(code, printable(&error.to_string()).to_string())
    }
}

impl Socket {
    /// Connects to the agent.
    pub(super) fn connect(&self) -> Result<Client, ClientError> {
        let path = self.socket.clone().unwrap_or_else(|| Service::Agent.path_to_reach());
        Client::connect(Service::Agent, &path)
    }
}
