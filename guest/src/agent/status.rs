//! What the agent tells about itself: the answer to `status` on the control socket.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Agent;
use crate::Guest;
use crate::memory_type::MappedAs;

/// The agent, its channel and its counters.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) uptime_seconds: u64,
    pub(crate) state: State,
    /// What it waits for, unless it is attached.
    pub(crate) reason: Option<String>,
    pub(crate) guest: String,
    pub(crate) port: String,
    pub(crate) name: String,
    pub(crate) boot: String,
    /// How it waits for messages; `None` of an agent that does not say so yet.
    #[serde(default)]
    pub(crate) profile: Option<String>,
    /// `None` before the device or the file was found.
    pub(crate) region: Option<Region>,
    /// `None` unless it is attached, as the two after it.
    pub(crate) channel: Option<u64>,
    pub(crate) host: Option<Host>,
    /// Bytes that topic and payload of a message may have together.
    pub(crate) max_message: Option<u64>,
    pub(crate) counters: Counters,
    pub(crate) clients: ivring_proto::control::Counts,
}

/// Where the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Looks for the region or the host.
    Waiting,
    /// Messages flow.
    Attached,
}

/// How the host is, as its heartbeat tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Host {
    /// It beats.
    Alive,
    /// It does not.
    Stale,
    /// It has ended as it should.
    Away,
}

/// The region.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Region {
    /// Its name, as the host wrote it; empty before the agent attached for the first time.
    pub(crate) name: String,
    /// The file, or the address of the device.
    pub(crate) place: String,
    pub(crate) bytes: u64,
    pub(crate) memory: Memory,
}

/// How the region is mapped.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    #[serde(rename = "type")]
    pub(crate) memory_type: String,
    /// Why it is that.
    pub(crate) reason: String,
    pub(crate) emulated: bool,
    /// What a read took when it was mapped, and one of private memory; `None` of a file.
    pub(crate) read_ns: Option<f64>,
    pub(crate) private_read_ns: Option<f64>,
    /// All of that as a sentence.
    pub(crate) text: String,
    /// What makes it faster, where it could be.
    pub(crate) remedy: Option<String>,
}

impl Memory {
    fn of(mapped: &MappedAs) -> Self {
        Memory {
            memory_type: mapped.memory_type.to_string(),
            reason: mapped.reason.name().to_owned(),
            emulated: mapped.is_emulated(),
            read_ns: mapped.probe.map(|probe| probe.read_nanoseconds()),
            private_read_ns: mapped.probe.map(|probe| probe.private_nanoseconds()),
            text: mapped.to_string(),
            remedy: mapped.remedy().map(str::to_owned),
        }
    }
}

/// What passed through in this region, and what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counters {
    #[serde(flatten)]
    pub(crate) passed: ivring_proto::link::Counters,
    /// What came to nothing.
    #[serde(flatten)]
    pub(crate) losses: ivring_proto::link::Losses,
    /// Messages from the host to which nobody listened, besides those counted as unwanted.
    pub(crate) unheard: u64,
}

impl Agent {
    /// How it is now.
    pub(super) fn status(&mut self, now: Instant) -> Status {
        let attached = self.guest.as_ref().is_some_and(Guest::is_attached);
        let reason = (!attached).then(|| self.waits_for());
        let clients = self.server.as_ref().map(|server| server.counts()).unwrap_or_default();
        let guest = self.guest.as_mut().filter(|_| attached);
        let (channel, max_message) = match guest {
            None => (None, None),
            Some(guest) => {
                (guest.end().offer().map(|offer| offer.channel), Some(guest.max_payload("") as u64))
            }
        };
        let losses = self.guest.as_ref().map(Guest::losses).unwrap_or_default();
        let passed = self.guest.as_ref().map(Guest::counters).unwrap_or_default();
        Status {
            service: "ivring-agent".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            state: if attached { State::Attached } else { State::Waiting },
            reason,
            guest: self.machine.uuid.to_string(),
            port: self.options.port.to_string(),
            name: self.machine.name.clone(),
            boot: self.machine.boot.to_string(),
            profile: Some(self.options.profile.name().to_owned()),
            region: self.guest.as_ref().map(|guest| Region {
                name: guest.region_name().to_owned(),
                place: guest.place().to_string(),
                bytes: guest.region_size(),
                memory: Memory::of(guest.mapped_as()),
            }),
            channel,
            host: attached.then_some(self.host),
            max_message,
            counters: Counters { passed, losses, unheard: self.unheard },
            clients,
        }
    }
}
