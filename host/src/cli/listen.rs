//! `ivring listen`.

use ivring_proto::console::{self, Endpoint, Failure, Output};
use ivring_proto::control::Target;

use super::options::Listen;

/// Prints what the guests send until stopped, or until so many messages have come.
pub(super) fn listen(listen: Listen, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let Listen { guest, topic, count, region } = listen;
    console::listen(daemon, Target { guest, region: region.name }, topic, count, out)
}
