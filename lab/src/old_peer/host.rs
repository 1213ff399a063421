//! The host of 1.0.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use ivring_proto::memory::{MappedFile, Memory as _};

use super::pulse::Pulse;
use super::region::{MAGIC, Place, Region, VERSION, VERSIONS, map, padded, random, wrong};
use super::request::checksum;
use super::ring::{Reader, Ring, Writer};
use super::running::{Peer, Seen};
use super::talk::Talk;
use crate::Error;

/// A region as it is to be formatted. Its size is that of the file.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Number of channels.
    pub channels: u64,
    /// Capacity of each to-host ring, a multiple of 4096.
    pub to_host: u64,
    /// Capacity of each to-guest ring, a multiple of 4096.
    pub to_guest: u64,
    /// UUID of the only machine that may join, or 0.
    pub owner: u128,
    /// At most 64 bytes.
    pub name: String,
}

/// A host that serves versions 1.0 to 1.0.
///
/// Other than 1.0 asks for, the newcomer always wins, without a challenge, and one fault ends the whole host.
#[derive(Debug)]
pub struct OldHost {
    region: Region,
    /// What each join cell held when it was looked at last.
    attempts: [u64; 16],
    pulse: Pulse,
    channels: Vec<Channel>,
    /// Not yet told.
    seen: VecDeque<Seen>,
    /// Holds the lock.
    file: File,
}

#[derive(Debug)]
struct Channel {
    place: Place,
    /// UUID, boot and port of its guest; empty while it is free.
    guest: Vec<u8>,
    nonce: u64,
    salt: u64,
    to_guest_salt: u64,
    attached: bool,
    talk: Talk,
}

impl OldHost {
    /// Formats the file, which must be all zero and used by nobody, and serves it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be mapped, [`Error::Failed`] if another host has it.
    pub fn start(path: &Path, shape: &Shape) -> Result<Self, Error> {
        let (file, map) = map(path)?;
        file.try_lock().map_err(|error| wrong(format!("{} is another host's: {error}", path.display())))?;
        format(&map, shape);
        let region = Region::read(&map)?.ok_or_else(|| wrong("it was just formatted"))?;
        let channel = |index| {
            let (place, start) = (region.place(index), 128 * index);
            let talk = Talk::new(
                Writer::start(Ring::to_guest(&region, place), 0, start, start),
                Reader::start(Ring::to_host(&region, place), 0, start, start),
            );
            let (guest, attached) = (Vec::new(), false);
            Channel { place, guest, nonce: 0, salt: 0, to_guest_salt: 0, attached, talk }
        };
        let channels = (0..shape.channels).map(channel).collect();
        let pulse = Pulse::start(&map, region.status + 8)?;
        map.store_release(region.status, random()?);
        Ok(Self { region, attempts: [0; 16], pulse, channels, seen: VecDeque::new(), file })
    }

    /// The rings of a channel, which must have a session.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when it has none.
    pub fn talk(&mut self, channel: usize) -> Result<&mut Talk, Error> {
        match self.channels.get_mut(channel) {
            Some(channel) if channel.attached => Ok(&mut channel.talk),
            _ => Err(wrong(format!("channel {channel} of the old host has no session"))),
        }
    }

    /// Looks at a join cell, and answers a request that is new.
    fn admit(&mut self, index: usize) -> Result<(), Error> {
        let cell = self.region.cells + 256 * index as u64;
        let attempt = self.region.map.load_acquire(cell);
        let request: [u8; 256] = self.region.bytes(cell);
        if attempt == self.attempts[index]
            || self.region.map.load(cell) != attempt
            || word(&request, 248) != checksum(&request[..248])
        {
            return Ok(());
        }
        self.attempts[index] = attempt;
        let (nonce, versions) = (word(&request, 8), word(&request, 48));
        if versions & 0xffff_ffff > VERSION || versions >> 32 < VERSION {
            self.refuse(index, nonce, (2, VERSIONS), "this host speaks 1.0");
            return Ok(());
        }
        let is_its = |channel: &Channel| {
            channel.guest.get(..16) == Some(&request[16..32]) && channel.guest[32..] == request[72..104]
        };
        let found = self.channels.iter().position(is_its);
        match found.or_else(|| self.channels.iter().position(|channel| channel.guest.is_empty())) {
            Some(channel) => self.channels[channel].offer(&self.region, &request, &mut self.seen)?,
            None => self.refuse(index, nonce, (1, self.region.channels), "every channel is taken"),
        }
        Ok(())
    }

    fn refuse(&self, cell: usize, nonce: u64, (code, detail): (u64, u64), text: &str) {
        let (map, answer) = (&self.region.map, self.region.status + 2048 + 128 * cell as u64);
        map.store(answer, 0);
        map.store(answer + 8, code);
        map.store(answer + 16, detail);
        map.copy_in(answer + 24, &padded::<104>(text));
        map.store_release(answer, nonce);
    }
}

impl Drop for OldHost {
    fn drop(&mut self) {
        // Closing is not enough while another thread starts a program: until that runs, it has the file, too.
        let _ = self.file.unlock();
    }
}

/// The word at a byte of a private copy.
fn word(bytes: &[u8; 256], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

impl Channel {
    /// Offers the channel to a request, after what the old session had published is received.
    fn offer(
        &mut self,
        region: &Region,
        request: &[u8; 256],
        seen: &mut VecDeque<Seen>,
    ) -> Result<(), Error> {
        let nonce = word(request, 8);
        if self.nonce == nonce {
            return Ok(());
        }
        if self.attached {
            self.receive(seen)?;
        }
        let guest = [&request[16..48], &request[72..104]].concat();
        let Talk { writer, reader, .. } = &mut self.talk;
        let to_guest_start = if self.guest != guest {
            self.to_guest_salt = random()?;
            writer.position
        } else if self.attached {
            writer.head()?
        } else {
            writer.head
        };
        self.salt = random()?;
        let (place, to_host_start) = (self.place, reader.position);
        self.talk = Talk::new(
            Writer::start(Ring::to_guest(region, place), self.to_guest_salt, writer.position, to_guest_start),
            Reader::start(Ring::to_host(region, place), self.salt, to_host_start, to_host_start),
        );
        let map = &region.map;
        map.copy_in(place.host + 384, &request[72..168]);
        map.store(place.entry + 8, 0);
        map.store_release(place.entry, 1);
        for (at, value) in [
            (16, self.salt),
            (24, self.to_guest_salt),
            (32, to_host_start),
            (40, to_guest_start),
            (80, VERSION),
            (88, 0),
        ] {
            map.store(place.entry + at, value);
        }
        map.copy_in(place.entry + 48, &request[16..48]);
        map.store_release(place.entry + 8, nonce);
        (self.guest, self.nonce, self.attached) = (guest, nonce, false);
        Ok(())
    }

    fn receive(&mut self, seen: &mut VecDeque<Seen>) -> Result<(), Error> {
        while let Some(record) = self.talk.receive()? {
            seen.push_back(Seen::Received(record));
        }
        Ok(())
    }

    fn step(&mut self, map: &MappedFile, seen: &mut VecDeque<Seen>) -> Result<(), Error> {
        let Place { entry, guest, .. } = self.place;
        if !self.attached {
            if self.nonce == 0 || map.load_acquire(guest + 256) != self.nonce ^ self.salt {
                return Ok(());
            }
            map.store_release(entry, 2);
            self.attached = true;
            seen.push_back(Seen::Attached);
        }
        let bye = map.load_acquire(guest + 272);
        self.receive(seen)?;
        if bye == self.nonce {
            map.store(entry, 0);
            map.store_release(entry + 8, 0);
            self.guest.clear();
            (self.nonce, self.attached) = (0, false);
            seen.push_back(Seen::Ended(map.load(guest + 288)));
        }
        Ok(())
    }
}

impl Peer for OldHost {
    fn step(&mut self) -> Result<Option<Seen>, Error> {
        self.pulse.beat(&self.region.map)?;
        for cell in 0..self.attempts.len() {
            self.admit(cell)?;
        }
        for channel in &mut self.channels {
            channel.step(&self.region.map, &mut self.seen)?;
        }
        Ok(self.seen.pop_front())
    }
}

fn format(map: &MappedFile, shape: &Shape) {
    let Shape { channels, to_host, to_guest, owner, name } = shape;
    let pages = |bytes: u64| bytes.next_multiple_of(4096);
    let host_control = 12288 + pages(128 * channels);
    let guest_control = host_control + pages(512 * channels);
    let rings = guest_control + pages(512 * channels);
    map.store(0, MAGIC);
    map.store_release(8, 1);
    let areas = [4096, 8192, 12288, host_control, guest_control, rings];
    let sizes = [map.size(), *channels, *to_host, *to_guest];
    for (word, value) in (0_u64..).zip([VERSIONS, 0, 0].into_iter().chain(sizes).chain(areas).chain([1])) {
        map.store(16 + 8 * word, value);
    }
    map.copy_in(128, &owner.to_be_bytes());
    map.copy_in(144, &padded::<64>(name));
    // The rest of the file is zero already. A ring's first words are stored where it is started; READY comes after.
    for channel in 0..*channels {
        let block = host_control + 512 * channel;
        for word in [block, block + 128, block + 136] {
            map.store(word, 128 * channel);
        }
    }
    map.store_release(8, 2);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::golden::{FRESH, assert_holds};
    use super::super::{OldGuest, Program, Running};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shape() -> Shape {
        let owner = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
        Shape { channels: 2, to_host: 16384, to_guest: 8192, owner, name: "fg_i3".to_owned() }
    }

    fn region() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(1 << 20).expect("room");
        file
    }

    #[test]
    fn a_fresh_region_has_the_bytes_of_1_0() {
        let file = region();
        let (_, map) = map(file.path()).expect("a mapping");
        format(&map, &shape());
        assert_holds(FRESH, 0, &std::fs::read(file.path()).expect("the region"));
    }

    #[test]
    fn the_old_peers_understand_each_other() {
        let file = region();
        let mut host = Running::start(OldHost::start(file.path(), &shape()).expect("a host"));
        let program = Program { uuid: 1, boot: 2, port: "agent".to_owned(), name: "old".to_owned() };
        let mut guest = Running::start(OldGuest::open(file.path(), program).expect("a guest"));
        assert_eq!(guest.next(LIMIT).expect("an event"), Seen::Attached);
        assert_eq!(host.next(LIMIT).expect("an event"), Seen::Attached);
        // Often round both rings, with paddings of many sizes. Two of these records and a padding always have room.
        for length in (0..2000).step_by(13) {
            let payload = vec![0x5a; length];
            let sent = payload.clone();
            host.run(move |host| host.talk(0)?.send("t", &sent)).expect("it runs").expect("room");
            let Seen::Received(record) = guest.next(LIMIT).expect("a message") else { panic!("a message") };
            assert_eq!((record.kind, &*record.topic, &record.payload), (2, "t", &payload));
            let echo = guest.run(move |guest| guest.talk()?.request(7, "ivring.echo", &payload));
            echo.expect("it runs").expect("room");
            let Seen::Received(answer) = guest.next(LIMIT).expect("an answer") else { panic!("an answer") };
            assert_eq!((answer.kind, answer.id, answer.payload), (6, 7, record.payload));
        }
        guest.run(OldGuest::bye).expect("it runs");
        assert_eq!(host.next(LIMIT).expect("an event"), Seen::Ended(1));
    }
}
