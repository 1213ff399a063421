//! `ivring-agent listen`.

use ivring_proto::console::{self, Failure, Output};
use ivring_proto::control::Target;

use super::Listen;

/// Prints events of the running agent until stopped, or until `count` messages have come.
pub(super) fn listen(listen: Listen) -> Result<(), Failure> {
    let Listen { topic, count, json, socket } = listen;
    console::listen(&socket.agent(), Target::default(), topic, count, &mut Output::new(json))
}
