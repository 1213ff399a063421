//! The agent that answers, and its channel.

use std::path::{Path, PathBuf};

use ivring_proto::check::{Chain, Line, waiting_profile};
use ivring_proto::console::{Endpoint, Failure};
use ivring_proto::control::{ClientError, Request};
use uuid::Uuid;

use super::Asked;
use super::region::Own;
use crate::agent::{Host, State, Status};
use crate::install::{Service, service};
use crate::pci::Address;

/// What the agent says of itself, or why it says nothing.
#[derive(Debug)]
pub(super) struct Answer(Result<Status, Silence>);

/// Why there is no answer.
#[derive(Debug)]
enum Silence {
    /// The socket leads to nobody.
    Nobody(ClientError),
    /// This user may not ask.
    NotAllowed(ClientError),
    /// It went wrong.
    Failed(String),
}

impl Answer {
    /// Asks.
    pub(super) fn get(agent: &Endpoint) -> Self {
        let asked = agent.connect().and_then(|mut client| client.call(&Request::Status, &[]));
        Answer(match asked {
            Ok((response, _)) => response.payload().map_err(|error| {
                Silence::Failed(format!("the agent is of another version than this command: {error}"))
            }),
            Err(error @ ClientError::NobodyListens { .. }) => Err(Silence::Nobody(error)),
            Err(error @ ClientError::NoPermission { .. }) => Err(Silence::NotAllowed(error)),
            Err(error) => Err(Silence::Failed(error.to_string())),
        })
    }

    fn status(&self) -> Option<&Status> {
        self.0.as_ref().ok()
    }

    fn place(&self) -> Option<&str> {
        Some(&*self.status()?.region.as_ref()?.place)
    }

    /// The region's file that it has.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.place().map(Path::new).filter(|place| place.is_absolute()).map(Path::to_owned)
    }

    /// The device that it has.
    pub(super) fn device(&self) -> Option<Address> {
        self.place()?.parse().ok()
    }

    /// Who it is.
    pub(super) fn identity(&self) -> Option<Uuid> {
        self.status()?.guest.parse().ok()
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.status()?.pid)
    }

    /// Whether there is one.
    pub(super) fn runs(&self) -> bool {
        self.0.is_ok()
    }
}

/// Looks at the agent's session; `own` is its channel, as the region shows it.
pub(super) fn look(
    chain: &mut Chain<'_, '_>,
    asked: &Asked,
    answer: Answer,
    own: Option<Own>,
) -> Result<(), Failure> {
    let Answer(answer) = answer;
    let nobody = matches!(answer, Err(Silence::Nobody(_)));
    let status = chain.step("agent", Some(answer), |answer| agent(answer, &asked.root))?;
    // Somebody else answers the host under this name.
    if let Some(own) = own.as_ref().filter(|own| nobody && own.moves.is_some()) {
        chain.tell(elsewhere(own))?;
        return ["memory-type", "rings", "waiting-profile"]
            .into_iter()
            .try_for_each(|check| chain.tell(Line::because(check, "agent")));
    }
    let status = chain.step("session", status, session)?;
    let status = chain.step("memory-type", status, |status| Ok((memory_type(&status)?, status)))?;
    let status = chain.step("rings", status, |status| match &own {
        Some(own) if status.channel == Some(own.channel) => Ok((own.judge_rings(), status)),
        _ => {
            let says = "the directory of the region has no channel of this machine, or could not be read";
            let line = Line::unknown("rings", says, "sudo ivring-agent doctor");
            Ok((line, status))
        }
    })?;
    chain.step("waiting-profile", status, |status| {
        let unsaid =
            || Line::unknown("waiting-profile", "the agent does not say", "systemctl restart ivring-agent");
        Ok((status.profile.as_deref().map_or_else(unsaid, waiting_profile), ()))
    })?;
    Ok(())
}

fn agent(answer: Result<Status, Silence>, root: &Path) -> Result<(Line, Status), Line> {
    const CHECK: &str = "agent";
    match answer {
        Ok(status) => {
            let Status { version, pid, uptime_seconds, .. } = &status;
            let says =
                format!("ivring-agent {version}, process {pid}, runs for {uptime_seconds} s and answers");
            let own = env!("CARGO_PKG_VERSION");
            let line = if version == own {
                Line::ok(CHECK, says)
            } else {
                Line::pending(
                    CHECK,
                    format!("{says}; this program is {own}"),
                    "systemctl restart ivring-agent",
                )
            };
            Ok((line, status))
        }
        Err(Silence::Nobody(error)) => {
            let next = match service(root) {
                Service::None => "ivring-agent install, or ivring-agent run",
                Service::Starts(_) | Service::Disabled(_) => {
                    "systemctl restart ivring-agent; journalctl -u ivring-agent says why it ended"
                }
            };
            Err(Line::failed(CHECK, error.to_string(), next))
        }
        Err(Silence::NotAllowed(error)) => {
            Err(Line::unknown(CHECK, error.to_string(), "sudo ivring-agent doctor"))
        }
        Err(Silence::Failed(text)) => Err(Line::failed(CHECK, text, "systemctl restart ivring-agent")),
    }
}

fn elsewhere(own: &Own) -> Line {
    let Own { channel, uuid, .. } = own;
    let says = format!(
        "channel {channel} belongs to {uuid}:agent and its heartbeat moves, though no agent answers here: another machine \
         has this UUID, or an agent has another --socket"
    );
    Line::failed("session", says, "on the host: ivring ls, and give each VM a UUID of its own")
}

fn session(status: Status) -> Result<(Line, Status), Line> {
    const CHECK: &str = "session";
    let doctor = format!("on the host: ivring doctor {}", status.guest);
    let State::Attached = status.state else {
        let reason = status.reason.as_deref().unwrap_or("it does not say for what");
        return Err(Line::failed(CHECK, format!("the agent waits: {reason}"), doctor));
    };
    let channel = status.channel.map_or_else(String::new, |channel| format!(", channel {channel}"));
    let region = status.region.as_ref().map_or("", |region| &region.name);
    let says = format!("attached to region {region}{channel}");
    let line = match status.host {
        Some(Host::Alive) | None => Line::ok(CHECK, says),
        Some(Host::Stale) => {
            let says = format!("{says}, and the host's heartbeat has stopped");
            Line::failed(CHECK, says, "on the host: systemctl restart ivringd")
        }
        Some(Host::Away) => {
            let says = format!("{says}; the host has ended as it should, and messages wait for its return");
            Line::pending(CHECK, says, "on the host: systemctl start ivringd")
        }
    };
    Ok((line, status))
}

fn memory_type(status: &Status) -> Result<Line, Line> {
    const CHECK: &str = "memory-type";
    let Some(region) = &status.region else {
        return Err(Line::unknown(CHECK, "the agent has no region", "ivring-agent status"));
    };
    let memory = &region.memory;
    Ok(match &memory.remedy {
        // An emulator is nothing that one could mend.
        Some(remedy) if memory.emulated => Line::ok(CHECK, format!("{}; {remedy}", memory.text)),
        Some(remedy) => Line::pending(CHECK, memory.text.clone(), remedy),
        None => Line::ok(CHECK, memory.text.clone()),
    })
}
