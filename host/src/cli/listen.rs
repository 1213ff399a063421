//! `ivring listen`.

use ivring_proto::console::{self, Endpoint, Failure, Listening, Output};
use ivring_proto::control::Target;

use super::options::Listen;

/// Prints what the guests send until stopped, or until so many messages have come.
pub(super) fn listen(listen: Listen, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let Listen { guest, topic, count, out: directory, region } = listen;
    let target = Target { guest, region: region.name };
    console::listen(Listening { target, topic, count, directory }, daemon, out)
}
