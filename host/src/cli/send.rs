//! `ivring send`.

use ivring_proto::console::{self, Endpoint, Failure, Outgoing, Output};

use super::options::Send;
use super::target;

/// Sends one message to a guest.
pub(super) fn send(send: Send, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let Send { guest, topic, text, file, wait, region } = send;
    let message = Outgoing { target: target(&guest, &region), topic, text, file, wait };
    console::send(message, daemon, out)
}
