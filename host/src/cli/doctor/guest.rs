//! One guest's session, from its QEMU to its answer.

use std::path::Path;
use std::time::{Duration, Instant};

use ivring_proto::check::{Chain, Line, PATIENCE, Verdict};
use ivring_proto::console::amount::time;
use ivring_proto::console::{Failure, milliseconds};
use ivring_proto::control::{Request, Target};
use ivring_proto::session::{Caching, Port};
use serde::Deserialize;

use super::daemon::Daemon;
use super::domain::word;
use super::overview::target;
use super::region::Region;
use super::subject::Subject;
use crate::listing::{Guest, State};
use crate::mappers::{Mappers, Runs, vm_processes};

/// How long an agent may take to answer a question.
const ANSWER: Duration = Duration::from_secs(2);

/// Looks at the guest in its region, where that can be looked at, and by what the daemon says of it.
pub(super) fn look(
    chain: &mut Chain<'_, '_>,
    subject: &Subject,
    region: Option<Region>,
    daemon: Option<&mut Daemon>,
) -> Result<(), Failure> {
    let session = subject.guest.as_ref();
    let channel = session.map(|guest| guest.channel);
    let region = chain.step("versions", region, |region| {
        let version = channel.and_then(|number| region.channel(number)).map(|channel| channel.version);
        Ok((region.versions(version), region))
    })?;
    let region = chain.step("host-heartbeat", region, |region| Ok((region.host_heartbeat(), region)))?;
    let region = chain.step("qemu-maps", region, |region| {
        let line = maps(subject, &region);
        let runs = !matches!(line.verdict, Verdict::Failed | Verdict::Pending);
        Ok((line, (region, runs)))
    })?;
    if daemon.is_none() {
        for check in ["session", "guest-heartbeat", "memory-type", "rings", "answer"] {
            chain.tell(Line::because(check, "daemon"))?;
        }
        return Ok(());
    }
    let both = region.as_ref().zip(daemon);
    let both = chain.step("session", both, |((region, runs), daemon)| {
        let (line, guest) = attached(subject, daemon, *runs)?;
        Ok((line, (region, daemon, guest)))
    })?;
    let both = chain.step("guest-heartbeat", both, |(region, daemon, guest)| {
        Ok((heartbeat(region, guest), (region, daemon, guest)))
    })?;
    let both = chain.step("memory-type", both, |both| Ok((memory_type(both.2), both)))?;
    let both =
        chain.step("rings", both, |(region, daemon, guest)| Ok((rings(region, guest), (daemon, guest))))?;
    chain.step("answer", both, |(daemon, guest)| Ok((answer(daemon, guest), ())))?;
    Ok(())
}

/// The check `qemu-maps`: whether the VM runs, and has this very file.
fn maps(subject: &Subject, region: &Region) -> Line {
    const CHECK: &str = "qemu-maps";
    let path = region.file.path().display();
    let domain = subject.row.as_ref().ok().and_then(|row| row.as_ref());
    let domain = domain.map_or_else(|| subject.uuid.to_string(), |row| word(row).to_owned());
    let scan = match Mappers::scan(&region.file) {
        Ok(scan) => scan,
        Err(error) => {
            return Line::unknown(CHECK, format!("cannot read /proc: {error}"), "sudo ivring doctor");
        }
    };
    let is_this_vm = |runs: &Runs| matches!(runs, Runs::Vm(uuids) if uuids.contains(&subject.uuid));
    if let Some(process) = scan.others().iter().find(|process| is_this_vm(&process.runs)) {
        return Line::ok(CHECK, format!("process {} of this VM has {path}", process.pid));
    }
    let unreadable = scan.unreadable().iter().find(|process| is_this_vm(&process.runs));
    if let Some(process) = unreadable {
        let says = format!("process {} of this VM may not be looked into", process.pid);
        return Line::unknown(CHECK, says, "sudo ivring doctor");
    }
    let attached = subject.guest.as_ref().is_some_and(|guest| guest.state == State::Attached);
    match vm_processes(Path::new("/proc"), subject.uuid).first() {
        Some(process) => {
            let says = format!(
                "process {process} of this VM runs without {path}: it has no device, or another file"
            );
            Line::failed(CHECK, says, format!("virsh shutdown {domain}, then virsh start {domain}"))
        }
        None if attached => {
            Line::ok(CHECK, "no QEMU with its UUID is seen here, and it is attached all the same")
        }
        None => Line::pending(CHECK, "no QEMU with its UUID runs here", format!("virsh start {domain}")),
    }
}

/// The check `session`: a guest that is attached, be it silent.
fn attached<'a>(subject: &'a Subject, daemon: &Daemon, runs: bool) -> Result<(Line, &'a Guest), Line> {
    const CHECK: &str = "session";
    let in_the_guest = "in the guest: ivring-agent doctor";
    let Some(guest) = &subject.guest else {
        let refused = daemon.refused(&subject.place.name, subject.uuid);
        return Err(match refused {
            Some(refused) => {
                Line::failed(CHECK, format!("refused: {refused}"), "ivring ls, ivring evict UUID")
            }
            None if !runs => Line::because(CHECK, "qemu-maps"),
            None => Line::failed(CHECK, "its agent has not asked for a channel", in_the_guest),
        });
    };
    let (region, channel) = (&guest.region, guest.channel);
    let faults = match &guest.last_fault {
        Some(fault) => format!("; {} faults, the last: {fault}", guest.faults),
        None => String::new(),
    };
    match guest.state {
        State::Attached => {
            let line = match guest.faults {
                0 => Line::ok(CHECK, format!("attached in {region}, channel {channel}")),
                _ => {
                    let says = format!("attached in {region}, channel {channel}{faults}");
                    Line::pending(
                        CHECK,
                        says,
                        "update ivring-agent there; or it is hostile: give it a region of its own",
                    )
                }
            };
            Ok((line, guest))
        }
        State::Stale => {
            let silent = time(Duration::from_millis(guest.silent_ms));
            let says = format!(
                "attached in {region}, channel {channel}, and silent for {silent}: paused, busy or gone{faults}"
            );
            Ok((Line::failed(CHECK, says, format!("virsh domstate {}", subject.uuid)), guest))
        }
        State::Joining => {
            let says =
                format!("channel {channel} of {region} is offered, and the guest has not taken it yet");
            Err(Line::pending(CHECK, says, in_the_guest))
        }
        State::Closed => {
            let reason = guest.reason.as_deref().unwrap_or("no reason was given");
            let says = format!("channel {channel} of {region} is closed: {reason}{faults}");
            Err(Line::failed(CHECK, says, "in the guest: systemctl restart ivring-agent"))
        }
    }
}

/// The check `guest-heartbeat`.
fn heartbeat(region: &Region, guest: &Guest) -> Line {
    const CHECK: &str = "guest-heartbeat";
    match region.channel(guest.channel).and_then(|channel| channel.moved) {
        Some(after) => Line::ok(CHECK, format!("moves: a beat came after {}", time(after))),
        None => {
            let says = format!(
                "has stood still for {}: the guest is paused, or its agent was killed",
                time(PATIENCE)
            );
            Line::failed(CHECK, says, format!("virsh domstate {}", guest.who.uuid))
        }
    }
}

/// The check `memory-type`.
fn memory_type(guest: &Guest) -> Line {
    const CHECK: &str = "memory-type";
    let Some(memory) = guest.memory else {
        return Line::unknown(
            CHECK,
            "the guest does not say how it has mapped the region",
            "update ivring-agent there",
        );
    };
    let caching = Caching::from(memory);
    match (memory.emulated, caching.memory_type) {
        (true, _) => Line::ok(CHECK, format!("{caching}: an emulator knows no memory types")),
        (false, ivring_proto::memory::MemoryType::WriteBack) => Line::ok(CHECK, caching.to_string()),
        (false, _) => {
            let says = format!("{caching}: slower than it could be");
            Line::pending(
                CHECK,
                says,
                "in the guest: ivring-agent status, which says why; docs/memory-types.md",
            )
        }
    }
}

/// The check `rings`: positions and, record by record, what waits.
fn rings(region: &Region, guest: &Guest) -> Line {
    const CHECK: &str = "rings";
    let reset = format!("ivring evict {}", target(guest));
    if let Some(wrong) = region.wrong(guest.channel) {
        return Line::failed(CHECK, wrong, reset);
    }
    match region.channel(guest.channel) {
        Some(channel) => channel.rings(&reset),
        None => Line::unknown(CHECK, "the region has no such channel", "ivring ls"),
    }
}

/// What an agent answers to `ivring.info`, as far as it is told here.
#[derive(Debug, Deserialize)]
struct Info {
    agent: String,
    profile: String,
}

/// The check `answer`: a question that goes all the way to the guest and back.
fn answer(daemon: &mut Daemon, guest: &Guest) -> Line {
    const CHECK: &str = "answer";
    let doctor = "in the guest: ivring-agent doctor";
    let is_agent = guest.who.port == Port::agent().as_str();
    let to = Target { guest: Some(target(guest)), region: Some(guest.region.clone()) };
    let timeout_ms = milliseconds(ANSWER);
    let question = if is_agent {
        Request::Request { target: to, topic: "ivring.info".to_owned(), timeout_ms }
    } else {
        Request::Ping { target: to, bytes: 0, timeout_ms }
    };
    let asked = Instant::now();
    let body = match daemon.client.call(&question, &[]) {
        Ok((_, body)) => body,
        Err(error) => return Line::failed(CHECK, error.to_string(), doctor),
    };
    let took = time(asked.elapsed());
    if !is_agent {
        return Line::ok(CHECK, format!("a ping came back after {took}"));
    }
    let own = env!("CARGO_PKG_VERSION");
    match serde_json::from_slice::<Info>(&body) {
        Ok(Info { agent, profile }) => {
            let says =
                format!("ivring-agent {agent} answers after {took}; it waits by the profile {profile}");
            if agent == own {
                Line::ok(CHECK, says)
            } else {
                Line::pending(
                    CHECK,
                    format!("{says}; this program is {own}"),
                    "install the same version in the guest",
                )
            }
        }
        Err(_) => Line::ok(CHECK, format!("something answers after {took}, which is no ivring-agent")),
    }
}
