//! `ivring doctor`: why nothing arrives, seen from the host. It changes nothing.
//!
//! | file | what it looks at |
//! | --- | --- |
//! | `vm_config` | what `ivring-vm-config` says of the host and of its domains |
//! | `domain` | a domain of libvirt: whether it has the device, and runs with it |
//! | `daemon` | `ivringd`, by its control socket |
//! | `region` | a region's file: superblock, the host's heartbeat, channels |
//! | `subject` | the guest that is asked for, by whatever name |
//! | `guest` | its session, from its QEMU to its answer |
//! | `overview` | all guests and domains, a line each |

mod daemon;
mod domain;
mod guest;
mod overview;
mod region;
mod subject;
mod vm_config;

use ivring_proto::check::{Chain, Report, waiting_profile};
use ivring_proto::console::{Endpoint, Failure, Output};
use ivring_proto::control::Code;
use ivring_proto::memory::guard_mappings;

use super::options::Doctor;
use daemon::Daemon;
use region::Place;

/// The region of a host where nothing says otherwise.
const USUAL_REGION: &str = "fg_i3";

/// Looks at the whole host, or at all that one guest needs.
pub(super) fn doctor(doctor: &Doctor, endpoint: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    // Without it a page that goes away meanwhile would end this program.
    guard_mappings()
        .map_err(|error| Failure::new(Code::Failure, format!("cannot handle SIGBUS: {error}")))?;
    let asked = doctor.region.as_deref().map(Place::named).transpose()?;
    let mut report = Report::new(out);
    // First of all, for it knows the regions; told where its turn comes.
    let daemon = Daemon::ask(endpoint, asked.as_ref());
    match &doctor.guest {
        Some(guest) => one(guest, asked, daemon, &mut report)?,
        None => all(asked, daemon, &mut report)?,
    }
    report.end()
}

/// The host, and a line for each guest and domain.
fn all(
    asked: Option<Place>,
    daemon: Result<Daemon, daemon::Silence>,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let regions = match (asked, &daemon) {
        (Some(place), _) => vec![place],
        (None, Ok(daemon)) if !daemon.regions().is_empty() => daemon.regions(),
        (None, _) => vec![Place::named(USUAL_REGION)?],
    };
    for kind in overview::kinds(&regions) {
        report.tell(vm_config::host_check(&kind))?;
    }
    let daemon = tell_daemon(daemon, report)?;
    for place in &regions {
        let mut chain = Chain::new(report);
        let region = region::look(&mut chain, place, regions.len() > 1, &[])?;
        let region = chain.step("versions", region, |region| Ok((region.versions(None), region)))?;
        let region = chain.step("host-heartbeat", region, |region| Ok((region.host_heartbeat(), region)))?;
        chain.step("channels", region, |region| Ok((region.channels(), ())))?;
    }
    report.tell(overview::lines(&regions, daemon.as_ref()))
}

/// All that one guest needs, in the order in which a message needs it.
fn one(
    name: &str,
    asked: Option<Place>,
    daemon: Result<Daemon, daemon::Silence>,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let mut chain = Chain::new(report);
    let found = subject::find(name, asked, daemon.as_ref().ok())?;
    let Some(subject) = chain.step("guest", Some(found), |found| found)? else { return Ok(()) };
    domain::tell(&mut chain, &subject)?;
    report.tell(vm_config::host_check(&subject.kind()))?;
    let mut daemon = tell_daemon(daemon, report)?;
    let mut chain = Chain::new(report);
    let entries = subject.guest.as_ref().map(|guest| guest.channel).into_iter().collect::<Vec<_>>();
    let region = region::look(&mut chain, &subject.place, false, &entries)?;
    guest::look(&mut chain, &subject, region, daemon.as_mut())
}

/// Tells how the daemon is, which regions it has lost, and how it waits.
fn tell_daemon(
    daemon: Result<Daemon, daemon::Silence>,
    report: &mut Report<'_>,
) -> Result<Option<Daemon>, Failure> {
    let mut chain = Chain::new(report);
    let daemon = chain.step("daemon", Some(daemon), daemon::line)?;
    let daemon = chain.step("served", daemon, |daemon| Ok((daemon.served(), daemon)))?;
    let daemon = chain.step("refusals", daemon, |daemon| Ok((daemon.refusals(), daemon)))?;
    chain.step("waiting-profile", daemon, |daemon| Ok((waiting_profile(daemon.profile()), daemon)))
}
