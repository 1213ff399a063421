//! What `ivringd` answers to `list` and `status`, as it writes it and `ivring` reads it.

use ivring_proto::control::{Counts, GuestIdentity};
use ivring_proto::link::{Counters, Losses};
use ivring_proto::memory::MemoryType;
use ivring_proto::session::{Caching, CloseReason, Liveness, Phase};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{GuestFaults, GuestInfo, LastTime, Refusals};

/// The answer to `list`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Guests {
    /// Every guest that has a channel, by region and channel.
    pub(crate) guests: Vec<Guest>,
    /// Regions that should be served, and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_served: Vec<NotServed>,
    /// The regions in which guests were refused one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<Refused>,
}

/// A region that was lost or cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotServed {
    /// Name of the region.
    pub(crate) region: String,
    pub(crate) path: String,
    pub(crate) reason: String,
}

impl NotServed {
    pub(crate) fn new(path: &Path, reason: String) -> Self {
        NotServed {
            region: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path: path.display().to_string(),
            reason,
        }
    }
}

/// Requests to join that were refused, of one region.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// Name of the region.
    pub(crate) region: String,
    pub(crate) count: u64,
    /// Who asked the last time, and why it was refused.
    pub(crate) last: String,
    /// Time since then.
    pub(crate) last_ms: u64,
}

impl Refused {
    /// Those of the region of that name, if there were any.
    pub(crate) fn new(region: &str, refusals: Refusals) -> Option<Self> {
        let LastTime { reason, ago } = refusals.last?;
        let (region, last_ms) = (region.to_owned(), milliseconds(ago));
        Some(Refused { region, count: refusals.count, last: reason, last_ms })
    }
}

/// One guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Guest {
    #[serde(flatten)]
    pub(crate) who: GuestIdentity,
    /// Name of the region.
    pub(crate) region: String,
    pub(crate) channel: u64,
    pub(crate) state: State,
    /// Why the session is over, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The same as a number, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u8>,
    /// Time since its heartbeat last moved.
    pub(crate) silent_ms: u64,
    /// How it has mapped the region, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Memory>,
    /// Bytes that topic and payload of a message to it may have together.
    pub(crate) max_message: usize,
    /// Bytes that they may have together to go in one record.
    #[serde(default)]
    pub(crate) max_record: usize,
    /// What passed through its channel, seen from the host.
    #[serde(flatten)]
    pub(crate) counters: Counters,
    /// What came to nothing there.
    #[serde(flatten)]
    pub(crate) losses: Losses,
    /// Bytes that the daemon holds for it: of a message that has not come whole, and of answers that it has not taken.
    #[serde(default)]
    pub(crate) held_bytes: usize,
    /// How often its session was closed because it wrote what cannot be right, over all its sessions.
    #[serde(default)]
    pub(crate) faults: u64,
    /// What was wrong the last time, with field and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_fault: Option<String>,
    /// Time since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_fault_ms: Option<u64>,
}

/// The memory type of a guest's mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    #[serde(rename = "type")]
    pub(crate) memory_type: Type,
    /// By an emulator, which knows no memory types.
    pub(crate) emulated: bool,
}

/// A memory type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Type {
    WriteBack,
    Uncached,
    WriteCombining,
}

impl From<Caching> for Memory {
    fn from(Caching { memory_type, emulated }: Caching) -> Self {
        let memory_type = match memory_type {
            MemoryType::WriteBack => Type::WriteBack,
            MemoryType::Uncached => Type::Uncached,
            MemoryType::WriteCombining => Type::WriteCombining,
        };
        Memory { memory_type, emulated }
    }
}

impl From<Memory> for Caching {
    fn from(Memory { memory_type, emulated }: Memory) -> Self {
        let memory_type = match memory_type {
            Type::WriteBack => MemoryType::WriteBack,
            Type::Uncached => MemoryType::Uncached,
            Type::WriteCombining => MemoryType::WriteCombining,
        };
        Caching { memory_type, emulated }
    }
}

/// Where a guest's session is in its life, as far as an operator cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// A channel was offered, the guest has not taken it yet.
    Joining,
    /// Messages flow.
    Attached,
    /// Attached, but its heartbeat has stopped.
    Stale,
    /// The session is over, the channel is kept for the guest.
    Closed,
}

impl State {
    /// Its name in a table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::Joining => "joining",
            State::Attached => "attached",
            State::Stale => "stale",
            State::Closed => "closed",
        }
    }

    const fn of(phase: Phase, liveness: Liveness) -> Self {
        match (phase, liveness) {
            (Phase::Attached, Liveness::Alive) => State::Attached,
            (Phase::Attached, Liveness::Stale) => State::Stale,
            (Phase::Free | Phase::Offered, _) => State::Joining,
            (Phase::Closed(_), _) => State::Closed,
        }
    }
}

impl Guest {
    /// A guest as the region of that name shows it.
    pub(crate) fn new(region: &str, info: &GuestInfo) -> Self {
        let reason = match info.phase {
            Phase::Closed(reason) => Some(reason),
            Phase::Free | Phase::Offered | Phase::Attached => None,
        };
        let last = info.faults.last.as_ref();
        Guest {
            who: identity(&info.identity, &info.name),
            region: region.to_owned(),
            channel: info.channel,
            state: State::of(info.phase, info.liveness),
            reason: reason.map(|reason| reason.to_string()),
            code: reason.map(CloseReason::code),
            silent_ms: milliseconds(info.silent_for),
            memory: info.caching.map(Memory::from),
            max_message: info.max_message,
            max_record: info.max_record,
            counters: info.counters,
            losses: info.losses,
            held_bytes: info.held,
            faults: info.faults.count,
            last_fault: last.map(|fault| fault.reason.clone()),
            last_fault_ms: last.map(|fault| milliseconds(fault.ago)),
        }
    }
}

impl Guest {
    /// What a host says of it; `None` when the daemon writes an identity that is none.
    pub(crate) fn into_info(self) -> Option<GuestInfo> {
        let last = self
            .last_fault
            .map(|reason| LastTime { reason, ago: Duration::from_millis(self.last_fault_ms.unwrap_or(0)) });
        let (phase, liveness) = match self.state {
            State::Joining => (Phase::Offered, Liveness::Alive),
            State::Attached => (Phase::Attached, Liveness::Alive),
            State::Stale => (Phase::Attached, Liveness::Stale),
            State::Closed => (Phase::Closed(CloseReason::from_code(self.code.unwrap_or(0))), Liveness::Alive),
        };
        Some(GuestInfo {
            identity: self.who.identity()?,
            name: self.who.name,
            channel: self.channel,
            phase,
            liveness,
            silent_for: Duration::from_millis(self.silent_ms),
            caching: self.memory.map(Caching::from),
            counters: self.counters,
            losses: self.losses,
            held: self.held_bytes,
            faults: GuestFaults { count: self.faults, last },
            max_message: self.max_message,
            max_record: self.max_record,
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A guest's identity as the control socket names it.
pub(crate) fn identity(identity: &ivring_proto::session::Identity, name: &str) -> GuestIdentity {
    GuestIdentity {
        uuid: identity.uuid.to_string(),
        port: identity.port.as_str().to_owned(),
        name: name.to_owned(),
    }
}

/// The answer to `status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Version of the daemon.
    pub(crate) version: String,
    /// Its process.
    pub(crate) pid: u32,
    pub(crate) uptime_ms: u64,
    /// How it waits for messages.
    pub(crate) profile: String,
    /// Messages from guests that no listener took.
    pub(crate) unheard: u64,
    pub(crate) regions: Vec<Region>,
    /// The control socket.
    pub(crate) control: Counts,
}

/// One region the daemon serves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Region {
    pub(crate) region: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) channels: u64,
    /// The only VM that may join, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Guests that have a channel.
    pub(crate) guests: usize,
    /// How often guests wrote what cannot be right: each time a session was closed.
    #[serde(default)]
    pub(crate) faults: u64,
    /// Requests to join that were refused.
    #[serde(default)]
    pub(crate) refused: u64,
}
