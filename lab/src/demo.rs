//! What ivring does, shown in under a minute: `cargo demo`.
//!
//! A daemon on a region of its own, two guests that attach, pings, messages both ways each of which is checked, a request
//! with its answer, a message of 64 MiB with its checksum, and a moment of throughput. The guests are virtual machines, or agents as processes of the host.
//!
//! | module | what it is |
//! | --- | --- |
//! | `progress` | the steps as they pass |
//! | `peer` | what the guest's end is asked to do |
//! | `machine`, `host_process` | the two kinds of guest's end |
//! | `pings`, `messages`, `heard` | what is measured and checked |
//! | `request` | a request with its answer |
//! | `large` | a message of 64 MiB with its checksum |
//! | `table` | what it came to |
//! | `keep` | what `--keep` says, and how it waits |

mod heard;
mod host_process;
mod keep;
mod large;
mod machine;
mod messages;
mod peer;
mod pings;
mod progress;
mod request;
mod table;

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ivring_vm_config::Shmem;

use crate::daemon::{Daemon, failed, target};
use crate::{Accelerator, Artifacts, Consent, Error, Lab, build_flood, flood, prepare};
use host_process::HostProcess;
use machine::Machine;
use peer::Peer;
use progress::Progress;
use table::{Row, Table};

/// The guests' names.
const NAMES: [&str; 2] = ["web1", "web2"];
/// Length of a message when throughput is measured, in bytes.
const FLOOD_BYTES: u32 = 1024;
/// How long throughput is measured, each way and guest.
const FLOOD_SPAN: Duration = Duration::from_millis(400);
/// How long a started agent may take to attach.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);

/// How to show it.
#[derive(Debug)]
pub struct Demo {
    /// Agents as processes of the host instead of virtual machines.
    pub no_vm: bool,
    /// Stay until Ctrl-C.
    pub keep: bool,
    /// A kernel image instead of the distribution's.
    pub kernel: Option<PathBuf>,
    /// Whether missing packages may be installed.
    pub consent: Consent,
}

/// A guest of the demo.
struct Member {
    name: &'static str,
    uuid: String,
    channel: u64,
    peer: Box<dyn Peer>,
}

/// Shows it: steps on standard error, the table on standard output.
///
/// # Errors
///
/// [`Error::Refused`] if something is missing that may not be installed; [`Error::Failed`] if a step fails, with its name
/// and where the logs are. Everything is ended and removed then.
pub fn demo(demo: &Demo) -> Result<(), Error> {
    let progress = Progress::new();
    let tools = if demo.no_vm {
        None
    } else {
        Some(progress.loud_step("QEMU, busybox and a kernel", || {
            let tools = prepare(demo.kernel.as_deref(), demo.consent)?;
            Ok((tools, "there".to_owned()))
        })?)
    };
    let (programs, lab) = progress.loud_step("ivringd, ivring and ivring-agent", || {
        let programs = Artifacts::build()?;
        let lab = match &tools {
            Some(tools) => Lab::new("demo", tools, &[&programs.agent, &build_flood()?])?,
            None => Lab::without_guests("demo")?,
        };
        Ok(((programs, lab), "built".to_owned()))
    })?;
    let logs = lab.logs().to_owned();
    let region = lab.region("8M".parse().expect("8M is a power of two"))?;
    show(demo, &progress, &programs, &lab, &region)
        .and_then(|()| {
            drop(lab);
            check_removed(&region)
        })
        .map_err(|error| Error::Failed(format!("{error}\nlogs: {}", logs.display())))
}

fn show(
    demo: &Demo,
    progress: &Progress,
    programs: &Artifacts,
    lab: &Lab,
    region: &Shmem,
) -> Result<(), Error> {
    let mut daemon = progress.step("ivringd starts", || {
        let daemon = Daemon::start(lab, &programs.ivringd, &[region.name()], region.size())?;
        Ok((daemon, format!("region {} of {}", region.path(), region.size())))
    })?;
    let mut members = match lab.accelerator() {
        Some(accelerator) => boot(progress, lab, region, accelerator, &mut daemon)?,
        None => start_agents(progress, lab, region, &programs.agent, &mut daemon)?,
    };
    let mut rows = Vec::new();
    for member in &mut members {
        rows.push(measure(progress, &daemon, member)?);
    }
    print(&summary(&rows, lab))?;
    if demo.keep {
        let signals = keep::catch_interrupts()?;
        print(&keep::what_to_type(programs, daemon.socket(), demo.no_vm.then_some(lab.folder())))?;
        keep::until_interrupted(&mut daemon, signals)?;
    }
    progress.step("everything stops", || {
        for member in members {
            member.peer.stop()?;
        }
        daemon.stop()?;
        Ok(((), "the guests said good-bye, ivringd ended".to_owned()))
    })
}

/// Boots virtual machines whose agents join by themselves.
fn boot(
    progress: &Progress,
    lab: &Lab,
    region: &Shmem,
    accelerator: Accelerator,
    daemon: &mut Daemon,
) -> Result<Vec<Member>, Error> {
    let plans = NAMES.map(|name| {
        let mut plan = lab.plan(name, Some(region));
        plan.agent = Some("run".to_owned());
        plan
    });
    let guests =
        progress.step(&format!("{} guests boot under {}", NAMES.len(), accelerator.name()), || {
            let guests = lab.boot(&plans)?;
            let times: Vec<_> = guests
                .iter()
                .map(|guest| format!("{} in {:.1} s", guest.name(), guest.boot_time().as_secs_f64()))
                .collect();
            Ok((guests, times.join(", ")))
        })?;
    let peers = guests.into_iter().map(|guest| Box::new(Machine::new(guest)) as Box<dyn Peer>);
    let uuids = plans.into_iter().map(|plan| plan.uuid);
    attach(progress, daemon, uuids.zip(peers).collect())
}

/// Starts agents as processes of the host.
fn start_agents(
    progress: &Progress,
    lab: &Lab,
    region: &Shmem,
    agent: &Path,
    daemon: &mut Daemon,
) -> Result<Vec<Member>, Error> {
    let mut started: Vec<(String, Box<dyn Peer>)> = Vec::new();
    for name in NAMES {
        let plan = lab.plan(name, None);
        let peer = HostProcess::start(lab, agent, &plan, Path::new(&region.path()))?;
        started.push((plan.uuid, Box::new(peer)));
    }
    attach(progress, daemon, started)
}

/// Waits until the daemon sees all of them.
fn attach(
    progress: &Progress,
    daemon: &mut Daemon,
    started: Vec<(String, Box<dyn Peer>)>,
) -> Result<Vec<Member>, Error> {
    progress.step("the agents attach", || {
        let mut members = Vec::new();
        for (name, (uuid, peer)) in NAMES.into_iter().zip(started) {
            let channel = daemon.wait_for(&uuid, ATTACH_LIMIT)?;
            members.push(Member { name, uuid, channel, peer });
        }
        let said: Vec<_> =
            members.iter().map(|member| format!("{} on channel {}", member.name, member.channel)).collect();
        Ok((members, said.join(", ")))
    })
}

fn measure(progress: &Progress, daemon: &Daemon, member: &mut Member) -> Result<Row, Error> {
    let Member { name, uuid, channel, peer } = member;
    let target = target(uuid);
    let round_trips =
        progress.step(&format!("{name}: {} pings of {} bytes", pings::COUNT, pings::BYTES), || {
            let times = pings::measure(&mut daemon.client()?, &target)?;
            Ok((times, "answered".to_owned()))
        })?;
    progress.step(&format!("{name}: {} messages each way", messages::COUNT), || {
        messages::to_guest(&mut daemon.client()?, &target, name, peer.as_mut())?;
        messages::from_guest(daemon.client()?, &target, name, peer.as_mut())?;
        Ok(((), "each of them arrived as it was sent".to_owned()))
    })?;
    progress.step(&format!("{name}: a request"), || {
        let answer = request::ask(&mut daemon.client()?, &target)?;
        Ok(((), format!("answered {answer}")))
    })?;
    progress.step(&format!("{name}: a message of 64 MiB"), || {
        Ok(((), large::to_guest(&mut daemon.client()?, &target, peer.as_mut())?))
    })?;
    let (to_guest, from_guest) = progress.step(&format!("{name}: throughput"), || {
        let to_guest = flood(&mut daemon.client()?, &target, FLOOD_BYTES, FLOOD_SPAN);
        let to_guest = to_guest.map_err(failed("send to the guest"))?;
        let from_guest = peer.flood(FLOOD_BYTES, FLOOD_SPAN)?;
        let said = format!("{} messages there, {} back", to_guest.messages, from_guest.messages);
        Ok(((to_guest, from_guest), said))
    })?;
    let checked = messages::COUNT;
    Ok(Row { name: (*name).to_owned(), channel: *channel, round_trips, checked, to_guest, from_guest })
}

fn summary(rows: &[Row], lab: &Lab) -> String {
    let (what, speed) = match lab.accelerator() {
        Some(Accelerator::Kvm) => ("virtual machines under KVM", ""),
        Some(Accelerator::Tcg) => (
            "virtual machines under TCG",
            "\nTCG translates the guests' instructions; under KVM the processor runs them itself.",
        ),
        None => ("processes of this host", ""),
    };
    format!(
        "\n{table}\n\
         Guests: {what}.{speed}\n\
         Ping: {pings} round trips of {ping_bytes} bytes, one after the other, on ivringd's clock.\n\
         Throughput: messages of {FLOOD_BYTES} bytes for {span} ms, control socket -> ivringd -> ring -> agent, and back the\n\
         same way; timed until the last has been read from the ring.\n",
        table = Table(rows),
        pings = pings::COUNT,
        ping_bytes = pings::BYTES,
        span = FLOOD_SPAN.as_millis(),
    )
}

/// Prints on standard output; that nobody reads it is no error.
fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("standard output")(error)),
        _ => Ok(()),
    }
}

fn check_removed(region: &Shmem) -> Result<(), Error> {
    match fs::exists(region.path()) {
        Ok(false) => Ok(()),
        _ => Err(Error::Failed(format!("{} is still there", region.path()))),
    }
}
