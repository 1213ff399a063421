//! A region's file, looked at without changing it.

use std::path::PathBuf;
use std::time::Duration;

use ivring_proto::check::{self, Chain, Line, Rings, Side};
use ivring_proto::console::Failure;
use ivring_proto::console::amount::bytes;
use ivring_proto::layout::{Superblock, Version, control_word, read_superblock, status_word};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::session::read_entry;

use crate::cli::inspect::view::{Content, RegionView};
use crate::region_file::{RegionError, RegionFile};
use crate::region_name::region_path;

/// Which region.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Place {
    /// As an operator names it.
    pub(super) fn named(region: &str) -> Result<Self, Failure> {
        let path = region_path(region).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        Ok(Place { name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path })
    }
}

/// A region that can be used.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) file: RegionFile,
    memory: MappedFile,
    superblock: Superblock,
    watched: Watched,
    /// What stands before each line of it, where there are several.
    prefix: String,
}

/// What moved while it was watched.
#[derive(Debug)]
struct Watched {
    host: Option<Duration>,
    channels: Vec<Channel>,
}

/// A channel that was watched.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u64,
    /// When the guest's heartbeat moved.
    pub(super) moved: Option<Duration>,
    pub(super) version: Version,
    rings: (Rings, Rings),
}

impl Channel {
    /// The check `rings`.
    pub(super) fn rings(&self, reset: &str) -> Line {
        self.rings.1.judge(&self.rings.0, reset)
    }
}

/// Opens the region, and watches its host's heartbeat and those of these channels: the checks `region` and `superblock`.
pub(super) fn look(
    chain: &mut Chain<'_, '_>,
    place: &Place,
    several: bool,
    channels: &[u64],
) -> Result<Option<Region>, Failure> {
    let prefix = if several { format!("{}: ", place.name) } else { String::new() };
    let opened = chain.step("region", Some(place), open)?;
    chain.step("superblock", opened, |(file, memory)| {
        let read = read_superblock(&memory);
        let mut line = check::superblock(&read, Side::Host);
        line.says.insert_str(0, &prefix);
        let Ok(superblock) = read else { return Err(line) };
        let watched = watch(&memory, &superblock, channels);
        if let Some(at) = memory.broken_at() {
            let says = format!("{} had no page at offset {at:#x} as it was looked at", place.path.display());
            return Err(Line::failed("superblock", says, format!("ls -ls {}", place.path.display())));
        }
        Ok((line, Region { file, memory, superblock, watched, prefix }))
    })
}

fn open(place: &Place) -> Result<(Line, (RegionFile, MappedFile)), Line> {
    const CHECK: &str = "region";
    let path = place.path.display();
    let file = RegionFile::open_read_only(&place.path).map_err(|error| {
        let next = match &error {
            RegionError::Permission { .. } => {
                return Line::unknown(CHECK, error.to_string(), "sudo ivring doctor");
            }
            RegionError::Missing { .. } => "systemctl start ivringd, or ivringd".to_owned(),
            RegionError::UnusableSize { found: 0, .. } => "systemctl start ivringd, or ivringd".to_owned(),
            RegionError::NotAFile { .. } => format!("rm {path}, then systemctl restart ivringd"),
            _ => format!("ls -ls {path}; another program's file: give ivringd another --region"),
        };
        Line::failed(CHECK, error.to_string(), next)
    })?;
    let memory = MappedFile::map_read_only(file.file(), file.size()).map_err(|error| {
        Line::failed(CHECK, format!("cannot map {path}: {error}"), format!("ls -ls {path}"))
    })?;
    Ok((Line::ok(CHECK, format!("{path} has {}", bytes(file.size()))), (file, memory)))
}

fn watch(memory: &MappedFile, superblock: &Superblock, channels: &[u64]) -> Watched {
    let geometry = &superblock.geometry;
    let places: Vec<_> =
        channels.iter().filter_map(|number| Some((*number, geometry.channel(*number)?))).collect();
    let host = geometry.status() + status_word::HEARTBEAT;
    let guests =
        places.iter().map(|(_, place)| place.guest_control + control_word::SESSION + control_word::HEARTBEAT);
    // Of a host that has left there is nothing to wait for.
    let host = (epoch(memory, superblock) != 0).then_some(host);
    let words: Vec<u64> = host.into_iter().chain(guests).collect();
    let rings = || places.iter().map(|(_, place)| Rings::look(memory, place)).collect::<Vec<_>>();
    let before = rings();
    let mut moved = check::watch_words(memory, &words).into_iter();
    let host = host.and_then(|_| moved.next().flatten());
    let channels = places.iter().zip(moved).zip(before.into_iter().zip(rings()));
    let channel = |(((number, place), moved), rings): ((&(u64, _), _), _)| {
        let place: &ivring_proto::layout::ChannelPlace = place;
        Channel { number: *number, moved, version: read_entry(memory, place.entry).version, rings }
    };
    Watched { host, channels: channels.map(channel).collect() }
}

/// The incarnation of the host that serves the region; 0 of one that has left.
fn epoch(memory: &MappedFile, superblock: &Superblock) -> u64 {
    memory.load_acquire(superblock.geometry.status() + status_word::EPOCH)
}

impl Region {
    /// The channel of that number, if it was watched.
    pub(super) fn channel(&self, number: u64) -> Option<&Channel> {
        self.watched.channels.iter().find(|channel| channel.number == number)
    }

    /// The check `versions`.
    pub(super) fn versions(&self, session: Option<Version>) -> Line {
        self.named(check::versions(self.superblock.versions, session))
    }

    /// The check `host-heartbeat`.
    pub(super) fn host_heartbeat(&self) -> Line {
        let epoch = epoch(&self.memory, &self.superblock);
        self.named(check::host_heartbeat(epoch, self.watched.host, Side::Host))
    }

    /// The check `channels`: what the directory and the rings hold, record by record.
    pub(super) fn channels(&self) -> Line {
        const CHECK: &str = "channels";
        let view = RegionView::read(&self.file, &self.memory);
        let look = format!("ivring inspect {}", self.file.path().display());
        let Content::Sound(sound) = view.content else {
            return self.named(Line::failed(CHECK, "the superblock has changed as it was looked at", look));
        };
        let wrong = sound.channels.iter().find_map(|channel| Some((channel.channel, channel.wrong.first()?)));
        if let Some((channel, wrong)) = wrong {
            return self.named(Line::failed(CHECK, format!("channel {channel}: {wrong}"), look));
        }
        let free = sound.channels.iter().filter(|channel| channel.state == "free").count();
        let says = format!("{free} of {} channels are free", sound.channels.len());
        self.named(match free {
            0 => Line::pending(
                CHECK,
                says,
                "ivring evict UUID of a guest that is gone, before another can join",
            ),
            _ => Line::ok(CHECK, says),
        })
    }

    /// What is wrong in the channel of that number.
    pub(super) fn wrong(&self, number: u64) -> Option<String> {
        let Content::Sound(sound) = RegionView::read(&self.file, &self.memory).content else { return None };
        sound.channels.into_iter().find(|channel| channel.channel == number)?.wrong.into_iter().next()
    }

    fn named(&self, mut line: Line) -> Line {
        line.says.insert_str(0, &self.prefix);
        line
    }
}
