//! `ivring-agent send`.

use ivring_proto::console::{self, Failure, Outgoing, Output};
use ivring_proto::control::Target;

use super::Send;

/// Sends one message through the running agent.
pub(super) fn send(send: Send) -> Result<(), Failure> {
    let Send { topic, text, file, wait, json, socket } = send;
    let message = Outgoing { target: Target::default(), topic, text, file, wait };
    console::send(message, &socket.agent(), &mut Output::new(json))
}
