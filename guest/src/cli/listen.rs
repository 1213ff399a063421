//! `ivring-agent listen`.

use ivring_proto::console::{self, Failure, Listening, Output};
use ivring_proto::control::Target;

use super::Listen;

/// Prints events of the running agent until stopped, or until `count` messages have come.
pub(super) fn listen(listen: Listen) -> Result<(), Failure> {
    let Listen { json, topic, count, out: directory, socket } = listen;
    let listening = Listening { target: Target::default(), topic, count, directory };
    console::listen(listening, &socket.agent(), &mut Output::new(json))
}
