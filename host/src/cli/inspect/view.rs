//! What a region holds, read without changing it and without trusting anything in it.

use std::collections::BTreeMap;

use ivring_proto::layout::{
    ChannelPlace, Geometry, NAME_LEN, PORT_LEN, RegionState, RingPlace, Superblock, SuperblockError, Version,
    cell_word, control_word, read_superblock, status_word, superblock_word,
};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::ring::walk;
use ivring_proto::session::{ChannelState, Entry, Text, Uuid, read_entry, read_request};
use serde::Serialize;

use crate::listing::Guest;
use crate::mappers::{Mappers, Process, Runs};
use crate::region_file::RegionFile;

/// How often a ring that moves is walked anew before it is shown without its records.
const ATTEMPTS: usize = 5;

/// A region as it was when it was looked at.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct RegionView {
    pub(in crate::cli) path: String,
    pub(in crate::cli) size: u64,
    /// Processes that map it, but for this one; `null` when they cannot be looked for.
    pub(in crate::cli) mapped_by: Option<Vec<MapperView>>,
    #[serde(flatten)]
    pub(in crate::cli) content: Content,
}

/// A process that maps the region.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct MapperView {
    pub(in crate::cli) pid: u32,
    /// The VMs it runs, if it is QEMU.
    pub(in crate::cli) vms: Vec<String>,
}

/// What is in a region.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::cli) enum Content {
    /// It can be used.
    Sound(Box<Sound>),
    /// It cannot: why, and the words of the superblock.
    Unusable {
        wrong: String,
        superblock: BTreeMap<&'static str, u64>,
        #[serde(skip)]
        error: SuperblockError,
    },
}

/// A region with a superblock in order.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Sound {
    pub(in crate::cli) name: String,
    pub(in crate::cli) state: &'static str,
    /// Why it is closing, if it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli) reason: String,
    pub(in crate::cli) versions: String,
    pub(in crate::cli) generation: u64,
    /// The only VM that may join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) owner: Option<String>,
    /// Capacity of each ring in bytes.
    pub(in crate::cli) to_host: u64,
    pub(in crate::cli) to_guest: u64,
    /// The host's incarnation; 0 when it has left as it should.
    pub(in crate::cli) epoch: u64,
    /// Beats of the host.
    pub(in crate::cli) heartbeat: u64,
    pub(in crate::cli) requests: Vec<RequestView>,
    pub(in crate::cli) channels: Vec<ChannelView>,
}

/// A request to join that stands in a cell.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct RequestView {
    pub(in crate::cli) cell: u64,
    pub(in crate::cli) guest: String,
    pub(in crate::cli) port: String,
    pub(in crate::cli) name: String,
}

/// A channel.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct ChannelView {
    pub(in crate::cli) channel: u64,
    pub(in crate::cli) state: &'static str,
    /// Why the session is over, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) reason: Option<String>,
    /// Whose it is; nobody's when it is free.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) owner: Option<OwnerView>,
    /// What cannot be right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) wrong: Vec<String>,
}

/// Who has a channel, and its rings.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct OwnerView {
    pub(in crate::cli) guest: String,
    pub(in crate::cli) port: String,
    pub(in crate::cli) name: String,
    pub(in crate::cli) version: String,
    /// Beats of the guest.
    pub(in crate::cli) heartbeat: u64,
    pub(in crate::cli) to_host: RingView,
    pub(in crate::cli) to_guest: RingView,
    /// What the daemon says that it did wrong, where a daemon serves the region and there is something.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) faults: Option<FaultsView>,
}

/// What a guest wrote that cannot be right.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct FaultsView {
    /// How often.
    pub(in crate::cli) faults: u64,
    /// The last time: what, and milliseconds since then.
    pub(in crate::cli) last_fault: Option<String>,
    pub(in crate::cli) last_fault_ms: Option<u64>,
}

/// What waits in a ring.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct RingView {
    /// Position behind what was consumed.
    pub(in crate::cli) head: u64,
    /// Bytes and records that wait; `null` when they cannot be told.
    pub(in crate::cli) used: Option<u64>,
    pub(in crate::cli) records: Option<u64>,
}

impl Sound {
    /// Adds what the daemon says of a guest.
    pub(in crate::cli) fn tell_faults(&mut self, guest: &Guest) {
        let channel = self.channels.iter_mut().find(|channel| channel.channel == guest.channel);
        let owner = channel.and_then(|channel| channel.owner.as_mut());
        // Since the region was looked at the channel can have got another.
        if let Some(owner) =
            owner.filter(|owner| owner.guest == guest.who.uuid && owner.port == guest.who.port)
            && guest.faults > 0
        {
            let (last_fault, last_fault_ms) = (guest.last_fault.clone(), guest.last_fault_ms);
            owner.faults = Some(FaultsView { faults: guest.faults, last_fault, last_fault_ms });
        }
    }
}

impl RegionView {
    /// Looks at a mapped region.
    pub(in crate::cli) fn read(file: &RegionFile, memory: &MappedFile) -> Self {
        let mapper = |process: &Process| MapperView {
            pid: process.pid,
            vms: match &process.runs {
                Runs::Vm(uuids) => uuids.iter().map(Uuid::to_string).collect(),
                _ => Vec::new(),
            },
        };
        RegionView {
            path: file.path().display().to_string(),
            size: file.size(),
            mapped_by: Mappers::scan(file).ok().map(|scan| scan.others().iter().map(mapper).collect()),
            content: match read_superblock(memory) {
                Ok(superblock) => Content::Sound(Box::new(sound(memory, &superblock))),
                Err(error) => unusable(memory, error),
            },
        }
    }
}

fn unusable(memory: &MappedFile, error: SuperblockError) -> Content {
    use superblock_word as word;
    let words = [
        ("magic", word::MAGIC),
        ("state", word::STATE),
        ("versions", word::VERSIONS),
        ("features_required", word::FEATURES_REQUIRED),
        ("features_optional", word::FEATURES_OPTIONAL),
        ("size", word::SIZE),
        ("channels", word::CHANNELS),
        ("to_host", word::TO_HOST),
        ("to_guest", word::TO_GUEST),
        ("status", word::STATUS),
        ("cells", word::CELLS),
        ("directory", word::DIRECTORY),
        ("host_control", word::HOST_CONTROL),
        ("guest_control", word::GUEST_CONTROL),
        ("rings", word::RINGS),
        ("generation", word::GENERATION),
    ];
    let superblock = words.into_iter().map(|(name, at)| (name, memory.load(at))).collect();
    Content::Unusable { wrong: error.to_string(), superblock, error }
}

fn sound(memory: &MappedFile, superblock: &Superblock) -> Sound {
    let geometry = &superblock.geometry;
    let owner = Uuid::from_bytes(superblock.owner);
    let reason = Text::<{ superblock_word::REASON_TEXT_LEN }>::read(memory, superblock_word::REASON_TEXT);
    let (state, reason) = match superblock.state {
        RegionState::Init => ("init", String::new()),
        RegionState::Ready => ("ready", String::new()),
        RegionState::Closing => ("closing", reason.as_str().to_owned()),
    };
    Sound {
        name: superblock.name.as_str().to_owned(),
        state,
        reason,
        versions: superblock.versions.to_string(),
        generation: superblock.generation,
        owner: (!owner.is_nil()).then(|| owner.to_string()),
        to_host: geometry.to_host(),
        to_guest: geometry.to_guest(),
        epoch: memory.load(geometry.status() + status_word::EPOCH),
        heartbeat: beats(memory.load(geometry.status() + status_word::HEARTBEAT)),
        requests: requests(memory, geometry),
        channels: (0..)
            .map_while(|index| Some((index, geometry.channel(index)?)))
            .map(|(index, place)| channel(memory, index, &place))
            .collect(),
    }
}

/// A heartbeat's counter: its low half.
fn beats(heartbeat: u64) -> u64 {
    heartbeat & 0xffff_ffff
}

fn requests(memory: &MappedFile, geometry: &Geometry) -> Vec<RequestView> {
    let request = |cell| {
        let request = read_request(memory, geometry.cell(cell)?)?;
        let identity = request.identity;
        let (guest, port) = (identity.uuid.to_string(), identity.port.to_string());
        Some(RequestView { cell, guest, port, name: request.name.as_str().to_owned() })
    };
    (0..cell_word::COUNT).filter_map(request).collect()
}

fn channel(memory: &MappedFile, index: u64, place: &ChannelPlace) -> ChannelView {
    let entry = read_entry(memory, place.entry);
    let (state, reason) = match entry.state {
        ChannelState::Free(_) => ("free", None),
        ChannelState::Offered => ("joining", None),
        ChannelState::Attached => ("attached", None),
        ChannelState::Closed(reason) => ("closed", Some(reason.to_string())),
        ChannelState::Unknown(_) => ("unknown", None),
    };
    let mut wrong = Vec::new();
    if let ChannelState::Unknown(code) = entry.state {
        wrong.push(format!("state {code} is unknown"));
    }
    let in_use =
        matches!(entry.state, ChannelState::Offered | ChannelState::Attached | ChannelState::Closed(_));
    if in_use && entry.nonce == 0 {
        wrong.push("it is in use and has no session".to_owned());
    }
    let owner = in_use.then(|| owner(memory, place, &entry, &mut wrong));
    ChannelView { channel: index, state, reason, owner, wrong }
}

fn owner(memory: &MappedFile, place: &ChannelPlace, entry: &Entry, wrong: &mut Vec<String>) -> OwnerView {
    let text = place.host_control + control_word::TEXT;
    let session = place.guest_control + control_word::SESSION;
    // Before the guest has confirmed, nothing in its lines belongs to this session.
    let confirmed = !matches!(entry.state, ChannelState::Offered);
    let mut view = |name: &str, ring, salt| {
        let result = if confirmed { ring_view(memory, ring, salt) } else { Ok(RingView::unknown(0)) };
        result.unwrap_or_else(|(view, error)| {
            wrong.push(format!("{name}: {error}"));
            view
        })
    };
    OwnerView {
        guest: entry.uuid.to_string(),
        port: Text::<PORT_LEN>::read(memory, text + control_word::PORT).as_str().to_owned(),
        name: Text::<NAME_LEN>::read(memory, text + control_word::NAME).as_str().to_owned(),
        version: Version::to_string(&entry.version),
        heartbeat: beats(memory.load(session + control_word::HEARTBEAT)),
        to_host: view("ring to the host", place.to_host, entry.salt),
        to_guest: view("ring to the guest", place.to_guest, entry.to_guest_salt),
        faults: None,
    }
}

impl RingView {
    fn unknown(head: u64) -> Self {
        RingView { head, used: None, records: None }
    }
}

/// Walks what waits in a ring. While it is walked both ends go on: what looks wrong counts only if the head stands still.
fn ring_view(memory: &MappedFile, ring: RingPlace, salt: u64) -> Result<RingView, (RingView, String)> {
    let load_head = || memory.load_acquire(ring.consumer + control_word::HEAD);
    let mut head = load_head();
    for _ in 0..ATTEMPTS {
        let mut records = 0;
        let walked = walk(memory, ring, salt, head, |_| records += 1);
        let now = load_head();
        match walked {
            Ok(end) => {
                return Ok(RingView { head, used: Some(end.wrapping_sub(head)), records: Some(records) });
            }
            Err(fault) if now == head => return Err((RingView::unknown(head), fault.to_string())),
            Err(_) => head = now,
        }
    }
    Ok(RingView::unknown(head))
}
