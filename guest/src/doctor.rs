//! `ivring-agent doctor`: why nothing arrives, seen from this machine. It changes nothing: neither the device nor the region.
//!
//! | file | what it looks at |
//! | --- | --- |
//! | `device` | the PCI device, until a page of its memory can be read |
//! | `file` | a region's file in its place |
//! | `region` | superblock, versions and the host's heartbeat |
//! | `machine` | who this machine is, and which agents it runs |
//! | `session` | what the agent that answers says of itself, and its channel |

mod device;
mod file;
mod machine;
mod region;
mod session;

use std::path::{Path, PathBuf};

use ivring_proto::check::{Chain, Report};
use ivring_proto::console::{Endpoint, Failure};
use ivring_proto::memory::guard_mappings;
use uuid::Uuid;

use crate::machine::identify;
use crate::pci::Address;
use session::Answer;

/// What to look at.
#[derive(Debug)]
pub(crate) struct Asked {
    /// A region's file instead of a device.
    pub(crate) region: Option<PathBuf>,
    /// The device. `None`: the one that the agent has, or else the one that holds a region.
    pub(crate) pci: Option<Address>,
    /// UUID of the VM. `None`: the agent's, or else the machine's.
    pub(crate) id: Option<Uuid>,
    /// Where `sys`, `proc` and `etc` are.
    pub(crate) root: PathBuf,
    /// The agent.
    pub(crate) agent: Endpoint,
}

/// Looks at everything and tells each line. Takes as long as a heartbeat: some seconds at most.
///
/// # Errors
///
/// As [`Report::tell`].
pub(crate) fn examine(asked: &Asked, report: &mut Report<'_>) -> Result<(), Failure> {
    // First of all, for it says which region it has; told where its turn comes.
    let answer = Answer::get(&asked.agent);
    // Without it a page that goes away meanwhile would end this program.
    let guarded = guard_mappings();
    if let Err(error) = guarded {
        tracing::warn!("can't handle SIGBUS: {error}");
    }

    let machine = answer.identity().is_none().then(|| identify(&asked.root, asked.id, None));
    let uuid = answer.identity().or_else(|| Some(machine.as_ref()?.as_ref().ok()?.uuid));

    let mut chain = Chain::new(report);
    let memory = match asked.region.clone().or_else(|| answer.file()) {
        Some(path) => file::look(&mut chain, &path)?,
        None => {
            // One that was unplugged is not what to look for.
            let agents = answer.device().filter(|address| is_there(&asked.root, *address));
            let wanted = asked.pci.or(agents);
            device::look(&mut chain, &asked.root, wanted, uuid, answer.runs())?
        }
    };
    let look = region::look(&mut chain, memory)?;
    let watched = region::watch(&mut chain, look, uuid)?;

    let mut chain = Chain::new(report);
    machine::look(&mut chain, &asked.root, machine, &answer)?;
    session::look(&mut chain, asked, answer, watched)
}

fn is_there(root: &Path, device: Address) -> bool {
    root.join("sys/bus/pci/devices").join(device.to_string()).exists()
}
