//! What is in the region: its first pages, mapped read-only.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use ivring_proto::check::{self, Chain, Line, Rings, Side};
use ivring_proto::console::Failure;
use ivring_proto::layout::{
    ChannelPlace, PAGE, PORT_LEN, Superblock, control_word, read_superblock_of, status_word,
};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::session::{ChannelState, Port, Text, Uuid, read_entry};

/// Memory that can be mapped.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    /// Bytes of the whole region.
    pub(super) size: u64,
    /// Its path.
    pub(super) what: PathBuf,
}

/// The pages before the rings. A second memory type for those of the rings would be refused, or worse, be given to the
/// agent.
#[derive(Debug)]
pub(super) struct Pages {
    memory: MappedFile,
    superblock: Superblock,
}

/// Maps the region and looks at its superblock.
pub(super) fn look(chain: &mut Chain<'_, '_>, source: Option<Source>) -> Result<Option<Pages>, Failure> {
    const CHECK: &str = "superblock";
    let pages = chain.step(CHECK, source, |source| {
        let refused = |error| {
            let says = format!("can't map {}: {error}", source.what.display());
            Line::failed(CHECK, says, "grep resource2 /proc/*/maps; all programs need one --memory-type")
        };
        let first = MappedFile::map_read_only(&source.file, PAGE).map_err(refused)?;
        let read = read_superblock_of(&first, source.size);
        if let Some(at) = first.broken_at() {
            let says = format!("{} has no page at offset {at:#x}", source.what.display());
            return Err(Line::failed(CHECK, says, "on the host: ivring doctor"));
        }
        let line = check::superblock(&read, Side::Guest);
        let Ok(superblock) = read else { return Err(line) };
        drop(first);
        // It was checked: it lies inside of the region.
        let memory = MappedFile::map_read_only(&source.file, superblock.geometry.rings()).map_err(refused)?;
        Ok((line, Pages { memory, superblock }))
    })?;
    Ok(pages)
}

/// The channel that belongs to this machine's agent.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) channel: u64,
    pub(super) uuid: Uuid,
    /// Whether it is in use, and somebody's heartbeat moves there.
    pub(super) moves: Option<Duration>,
    /// Its rings before and after the heartbeats were watched.
    rings: (Rings, Rings),
}

impl Own {
    /// The check `rings`.
    pub(super) fn judge_rings(&self) -> Line {
        let (before, after) = &self.rings;
        after.judge(before, &format!("on the host: ivring doctor {}", self.uuid))
    }
}

/// Watches the heartbeats of the host and of this machine's own session, where `uuid` says who it is.
pub(super) fn watch(
    chain: &mut Chain<'_, '_>,
    pages: Option<Pages>,
    uuid: Option<Uuid>,
) -> Result<Option<Own>, Failure> {
    let own = pages.as_ref().and_then(|pages| Some((uuid?, pages))).and_then(|(uuid, pages)| {
        let (channel, place) = pages.channel_of(uuid)?;
        Some((uuid, channel, place))
    });
    let version = own
        .as_ref()
        .zip(pages.as_ref())
        .map(|((_, _, place), pages)| read_entry(&pages.memory, place.entry).version);
    let pages = chain
        .step("versions", pages, |pages| Ok((check::versions(pages.superblock.versions, version), pages)))?;
    let watched = chain.step("host-heartbeat", pages, |pages| {
        let status = pages.superblock.geometry.status();
        // Of a host that has left there is nothing to wait for.
        let epoch = || pages.memory.load_acquire(status + status_word::EPOCH);
        let host = (epoch() != 0).then_some(status + status_word::HEARTBEAT);
        let session = own.as_ref().map(|(_, _, place)| place.guest_control + control_word::SESSION);
        let guest = session.map(|session| session + control_word::HEARTBEAT);
        let words: Vec<u64> = host.into_iter().chain(guest).collect();
        let rings = || own.as_ref().map(|(_, _, place)| Rings::look(&pages.memory, place));
        let before = rings();
        let mut moved = check::watch_words(&pages.memory, &words).into_iter();
        let host = host.and_then(|_| moved.next().flatten());
        let after = rings();
        if pages.memory.broken_at().is_some() {
            let says = "a page of the region went away as it was looked at";
            return Err(Line::failed("host-heartbeat", says, "on the host: ivring doctor"));
        }
        let own = own.zip(before.zip(after)).map(|((uuid, channel, _), rings)| Own {
            channel,
            uuid,
            moves: moved.next().flatten(),
            rings,
        });
        let line = check::host_heartbeat(epoch(), host, Side::Guest);
        Ok((line, own))
    })?;
    Ok(watched.flatten())
}

impl Pages {
    /// The channel that the directory binds to the agent of that machine.
    fn channel_of(&self, uuid: Uuid) -> Option<(u64, ChannelPlace)> {
        let geometry = &self.superblock.geometry;
        let channels = (0..geometry.channels()).filter_map(|index| Some((index, geometry.channel(index)?)));
        channels.into_iter().find(|(_, place)| {
            let entry = read_entry(&self.memory, place.entry);
            let in_use = matches!(
                entry.state,
                ChannelState::Offered | ChannelState::Attached | ChannelState::Closed(_)
            );
            let port = place.host_control + control_word::TEXT + control_word::PORT;
            in_use
                && entry.uuid == uuid
                && Text::<PORT_LEN>::read(&self.memory, port).as_str() == Port::agent().as_str()
        })
    }
}
