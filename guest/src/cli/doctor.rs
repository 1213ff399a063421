//! `ivring-agent doctor`.

use ivring_proto::check::Report;
use ivring_proto::console::{Failure, Output};

use crate::doctor::{Asked, examine};

/// Looks at everything between this machine's programs and the host's.
pub(super) fn doctor(options: super::Doctor) -> Result<(), Failure> {
    let super::Doctor { json, region, pci, id, socket, machine } = options;
    let asked = Asked { region, pci, id, root: machine.root, agent: socket.agent() };
    let out = &mut Output::new(json);
    let mut report = Report::new(out);
    examine(&asked, &mut report)?;
    report.end()
}
