//! One ring, its writing and its reading end.

use ivring_proto::memory::{MappedFile, Memory as _};

use super::region::{Place, Region, wrong};
use crate::Error;

/// Bytes of a ring, and the words that its two ends write.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    map: MappedFile,
    data: u64,
    capacity: u64,
    /// The producer's line: `hint`.
    producer: u64,
    /// The consumer's line: `head`, `seen`.
    consumer: u64,
}

impl Ring {
    /// The ring that the guest writes.
    pub(super) fn to_host(region: &Region, place: Place) -> Self {
        let (producer, consumer) = (place.guest, place.host + 128);
        Self { map: region.map.clone(), data: place.to_host, capacity: region.to_host, producer, consumer }
    }

    /// The ring that the host writes.
    pub(super) fn to_guest(region: &Region, place: Place) -> Self {
        let (producer, consumer) = (place.host, place.guest + 128);
        Self { map: region.map.clone(), data: place.to_guest, capacity: region.to_guest, producer, consumer }
    }

    /// The `seen` that a predecessor left behind, if it fits to a start at `position`.
    pub(super) fn seen_before(&self, position: u64) -> u64 {
        let seen = self.map.load(self.consumer + 8);
        if (position..=position + self.capacity).contains(&seen) { seen } else { position }
    }

    fn at(&self, position: u64) -> u64 {
        self.data + position % self.capacity
    }

    /// Bytes from a position to the ring's end.
    fn room(&self, position: u64) -> u64 {
        self.capacity - position % self.capacity
    }
}

fn header(length: u64, kind: u8, position: u64, salt: u64) -> u64 {
    length | u64::from(kind) << 32 | (((position / 8) ^ salt) & 0xff_ffff) << 40
}

/// The producer.
#[derive(Debug)]
pub(super) struct Writer {
    ring: Ring,
    salt: u64,
    pub(super) position: u64,
    pub(super) head: u64,
    proved: bool,
}

impl Writer {
    /// Begins at `position`, with a consumer that begins at `head`.
    pub(super) fn start(ring: Ring, salt: u64, position: u64, head: u64) -> Self {
        ring.map.store(ring.at(position), 0);
        ring.map.store_release(ring.producer, position);
        Self { ring, salt, position, head, proved: false }
    }

    /// How far the consumer has given space back.
    pub(super) fn head(&mut self) -> Result<u64, Error> {
        let head = self.ring.map.load_acquire(self.ring.consumer);
        if !head.is_multiple_of(8) || !(self.head..=self.position).contains(&head) {
            return Err(wrong(format!("head {head} is not from {} to {}", self.head, self.position)));
        }
        self.head = head;
        Ok(head)
    }

    /// Publishes one record, if there is room for it; its position.
    pub(super) fn push(&mut self, kind: u8, payload: &[u8]) -> Result<Option<u64>, Error> {
        let length = 8 + payload.len() as u64;
        let span = length.next_multiple_of(8);
        let room = self.ring.room(self.position);
        let padding = if span > room { room } else { 0 };
        if span > self.ring.capacity / 2 {
            return Err(wrong(format!("a record of {span} bytes in a ring of {}", self.ring.capacity)));
        }
        let used = self.position - self.head()?;
        if padding + span + 8 > self.ring.capacity - used {
            return Ok(None);
        }
        let map = &self.ring.map;
        if !self.proved && map.load(self.ring.at(self.position)) != 0 {
            return Err(wrong(format!("something was written at {}, the start of a session", self.position)));
        }
        self.proved = true;
        let (first, record) = (self.position, self.position + padding);
        map.copy_in(self.ring.at(record) + 8, payload);
        let behind = record + span;
        let own = header(length, kind, record, self.salt);
        if padding > 0 {
            map.store(self.ring.at(record), own);
        }
        map.store(self.ring.at(behind), 0);
        let shown = if padding > 0 { header(padding, 1, first, self.salt) } else { own };
        map.store_release(self.ring.at(first), shown);
        map.store_release(self.ring.producer, behind);
        self.position = behind;
        Ok(Some(record))
    }
}

/// The consumer.
#[derive(Debug)]
pub(super) struct Reader {
    ring: Ring,
    salt: u64,
    pub(super) position: u64,
    /// Records before this may have been handed over to a predecessor.
    seen: u64,
}

impl Reader {
    /// Begins at `position`, having been handed what is before `seen`.
    pub(super) fn start(ring: Ring, salt: u64, position: u64, seen: u64) -> Self {
        ring.map.store(ring.consumer + 8, seen);
        ring.map.store_release(ring.consumer, position);
        Self { ring, salt, position, seen }
    }

    /// The next record: kind, payload, and whether it may have been handed over before. What was handed over by the call
    /// before is given back.
    pub(super) fn next(&mut self) -> Result<Option<(u8, Vec<u8>, bool)>, Error> {
        self.ring.map.store_release(self.ring.consumer, self.position);
        let mut found = self.header()?;
        if let Some((1, length)) = found {
            if length != self.ring.room(self.position) || length >= self.ring.capacity / 2 {
                return Err(wrong(format!("a padding of {length} bytes at {}", self.position)));
            }
            self.position += length;
            found = self.header()?;
            if found.is_none_or(|(kind, _)| kind == 1) {
                return Err(wrong(format!("no record behind the padding before {}", self.position)));
            }
        }
        let Some((kind, length)) = found else { return Ok(None) };
        let span = length.next_multiple_of(8);
        if length < 8 || span > self.ring.room(self.position) || span > self.ring.capacity / 2 {
            return Err(wrong(format!("a record of {length} bytes at {}", self.position)));
        }
        let mut payload = vec![0; usize::try_from(length - 8).expect("less than a ring")];
        self.ring.map.copy_out(self.ring.at(self.position) + 8, &mut payload);
        let again = self.position < self.seen;
        self.position += span;
        if !again {
            self.ring.map.store(self.ring.consumer + 8, self.position);
        }
        Ok(Some((kind, payload, again)))
    }

    /// Kind and length at the position; `None` when nothing is published there.
    fn header(&self) -> Result<Option<(u8, u64)>, Error> {
        let word = self.ring.map.load_acquire(self.ring.at(self.position));
        let [_, _, _, _, kind, ..] = word.to_le_bytes();
        let length = word & 0xffff_ffff;
        if word == 0 {
            Ok(None)
        } else if kind != 0 && word == header(length, kind, self.position, self.salt) {
            Ok(Some((kind, length)))
        } else {
            Err(wrong(format!("header {word:#018x} at {} with salt {:#x}", self.position, self.salt)))
        }
    }
}
