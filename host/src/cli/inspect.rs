//! `ivring inspect`.

pub(super) mod view;

use ivring_proto::console::{Endpoint, Failure, Output, shown};
use ivring_proto::control::{Code, Request};
use ivring_proto::layout::SuperblockError;
use ivring_proto::memory::{MappedFile, guard_mappings};

use super::last_time::last_fault;
use super::options::Inspect;
use super::table::{Align, table};
use crate::listing::{Guest, Guests, Status};
use crate::region::superblock_code;
use crate::region_file::RegionFile;
use crate::region_name::region_path;
use ivring_proto::console::amount::bytes;
use view::{ChannelView, Content, MapperView, RegionView, RingView, Sound};

const CHANNELS: [(&str, Align); 7] = [
    ("CHANNEL", Align::Right),
    ("STATE", Align::Left),
    ("NAME", Align::Left),
    ("GUEST", Align::Left),
    ("PORT", Align::Left),
    ("TO HOST", Align::Right),
    ("TO GUEST", Align::Right),
];

/// Shows what a region's file holds, and what the daemon that serves it, if one does, says of its guests. Reads only.
pub(super) fn inspect(inspect: &Inspect, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let path = region_path(&inspect.region).map_err(|error| Failure::new(error.code(), error.to_string()))?;
    let file =
        RegionFile::open_read_only(&path).map_err(|error| Failure::new(error.code(), error.to_string()))?;
    guard_mappings()
        .map_err(|error| Failure::new(Code::Failure, format!("cannot handle SIGBUS: {error}")))?;
    let memory = MappedFile::map_read_only(file.file(), file.size())
        .map_err(|error| Failure::new(Code::Failure, format!("cannot map {}: {error}", path.display())))?;
    let mut view = RegionView::read(&file, &memory);
    if let Some(at) = memory.broken_at() {
        let (path, now) = (path.display(), file.file().metadata().map_or(0, |now| now.len()));
        let text =
            format!("{path} had no page at offset {at:#x} as it was looked at; it has {now} bytes now");
        return Err(Failure::new(Code::Failure, text));
    }
    let guests = guests_of(&view.path, daemon).unwrap_or_default();
    if let Content::Sound(sound) = &mut view.content {
        for guest in &guests {
            sound.tell_faults(guest);
        }
    }
    if out.json {
        out.json(&view)?;
    } else {
        print(&view, out)?;
        for fault in guests.iter().filter_map(last_fault) {
            out.line(fault)?;
        }
    }
    match &view.content {
        Content::Unusable { error, .. } => Err(Failure::Silent(match error {
            SuperblockError::Empty | SuperblockError::Init => Code::Negative,
            error => superblock_code(error),
        })),
        Content::Sound(sound) if sound.channels.iter().any(|channel| !channel.wrong.is_empty()) => {
            Err(Failure::Silent(Code::Negative))
        }
        Content::Sound(_) => Ok(()),
    }
}

/// What the daemon says of the guests of the region in that file; `None` where none serves it, or it may not be asked.
fn guests_of(path: &str, daemon: &Endpoint) -> Option<Vec<Guest>> {
    let mut client = daemon.connect().ok()?;
    let status: Status = client.call(&Request::Status, &[]).ok()?.0.payload().ok()?;
    let served = status.regions.into_iter().find(|region| region.path == path)?;
    let mut list: Guests = client.call(&Request::List, &[]).ok()?.0.payload().ok()?;
    list.guests.retain(|guest| guest.region == served.region);
    Some(list.guests)
}

fn print(view: &RegionView, out: &mut Output) -> Result<(), Failure> {
    match &view.content {
        Content::Sound(sound) => {
            print_sound(view, sound, out)?;
            print_mappers(view.mapped_by.as_deref(), out)?;
            print_channels(sound, out)
        }
        Content::Unusable { wrong, superblock, .. } => {
            out.line(format_args!("{}: {}, {wrong}", view.path, bytes(view.size)))?;
            print_mappers(view.mapped_by.as_deref(), out)?;
            let rows: Vec<_> = superblock
                .iter()
                .map(|(name, word)| vec![(*name).to_owned(), format!("{word:#x}")])
                .collect();
            for line in table(&[("SUPERBLOCK", Align::Left), ("WORD", Align::Right)], &rows) {
                out.line(line)?;
            }
            Ok(())
        }
    }
}

fn print_sound(view: &RegionView, sound: &Sound, out: &mut Output) -> Result<(), Failure> {
    let owner = match &sound.owner {
        Some(owner) => format!("only VM {owner} may join"),
        None => "any VM may join".to_owned(),
    };
    let reason = if sound.reason.is_empty() { String::new() } else { format!(" ({})", shown(&sound.reason)) };
    out.line(format_args!(
        "{}: {}, {}{reason}, ivring {}, generation {}, {owner}",
        view.path,
        bytes(view.size),
        sound.state,
        sound.versions,
        sound.generation,
    ))?;
    out.line(match sound.epoch {
        0 => "host: has left".to_owned(),
        epoch => format!("host: epoch {epoch:016x}, {} beats", sound.heartbeat),
    })
}

fn print_mappers(mappers: Option<&[MapperView]>, out: &mut Output) -> Result<(), Failure> {
    let mapper = |mapper: &MapperView| match &mapper.vms[..] {
        [] => format!("process {}", mapper.pid),
        vms => format!("process {} (VM {})", mapper.pid, vms.join(", ")),
    };
    out.line(match mappers {
        None => "mapped by: cannot tell".to_owned(),
        Some([]) => "mapped by: no process that can be seen".to_owned(),
        Some(mappers) => {
            format!("mapped by: {}", mappers.iter().map(mapper).collect::<Vec<_>>().join(", "))
        }
    })
}

fn print_channels(sound: &Sound, out: &mut Output) -> Result<(), Failure> {
    let free = sound.channels.iter().filter(|channel| channel.state == "free").count();
    out.line(format_args!(
        "channels: {}, {free} free; rings: {} to the host, {} to the guest",
        sound.channels.len(),
        bytes(sound.to_host),
        bytes(sound.to_guest),
    ))?;
    for request in &sound.requests {
        let (guest, port) = (&request.guest, shown(&request.port));
        out.line(format_args!("asks to join: {} ({guest}:{port})", shown(&request.name)))?;
    }
    let rows: Vec<_> = sound.channels.iter().filter(|channel| channel.state != "free").map(row).collect();
    if !rows.is_empty() {
        out.line("")?;
        for line in table(&CHANNELS, &rows) {
            out.line(line)?;
        }
    }
    for channel in &sound.channels {
        for wrong in &channel.wrong {
            out.line(format_args!("wrong: channel {}: {wrong}", channel.channel))?;
        }
    }
    Ok(())
}

fn row(view: &ChannelView) -> Vec<String> {
    let state = match &view.reason {
        Some(reason) => format!("{}: {reason}", view.state),
        None => view.state.to_owned(),
    };
    let mut row = vec![view.channel.to_string(), state];
    if let Some(owner) = &view.owner {
        row.extend([
            shown(&owner.name),
            owner.guest.clone(),
            shown(&owner.port),
            fill(&owner.to_host),
            fill(&owner.to_guest),
        ]);
    }
    row
}

/// How much waits in a ring.
fn fill(ring: &RingView) -> String {
    match (ring.records, ring.used) {
        (Some(records), Some(used)) => format!("{records} in {}", bytes(used)),
        _ => "?".to_owned(),
    }
}
