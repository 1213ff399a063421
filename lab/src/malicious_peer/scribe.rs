//! Records in a ring, right or wrong.

use ivring_proto::layout::{ChannelPlace, RingPlace, control_word, entry_word};
use ivring_proto::memory::{MappedFile, Memory as _};

/// One of a channel's two rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the guest to the host.
    ToHost,
    /// From the host to the guest.
    ToGuest,
}

/// A writer of one ring that checks nothing.
#[derive(Debug, Clone)]
pub struct Scribe {
    map: MappedFile,
    ring: RingPlace,
    salt: u64,
    /// Where it writes next.
    pub position: u64,
}

impl Scribe {
    pub(super) fn new(map: MappedFile, place: &ChannelPlace, way: Way) -> Self {
        let (ring, salt) = match way {
            Way::ToHost => (place.to_host, entry_word::SALT),
            Way::ToGuest => (place.to_guest, entry_word::TO_GUEST_SALT),
        };
        let salt = map.load(place.entry + salt);
        let position = map.load(ring.producer + control_word::HINT);
        Self { map, ring, salt, position }
    }

    /// Size of the ring in bytes.
    pub fn capacity(&self) -> u64 {
        self.ring.capacity
    }

    /// Bytes from its position up to the end of the ring.
    pub fn room(&self) -> u64 {
        self.ring.capacity - self.position % self.ring.capacity
    }

    /// The tag that belongs to a position.
    pub fn tag(&self, position: u64) -> u64 {
        ((position / 8) ^ self.salt) & 0xff_ffff
    }

    /// The header of a record of `length` bytes in all, as it is right at this position.
    pub fn header(&self, length: u64, kind: u8) -> u64 {
        self.header_at(self.position, length, kind)
    }

    /// The header of a record at another position.
    pub fn header_at(&self, position: u64, length: u64, kind: u8) -> u64 {
        length & 0xffff_ffff | u64::from(kind) << 32 | self.tag(position) << 40
    }

    /// Where the word at a position lies in the region.
    pub fn at(&self, position: u64) -> u64 {
        self.ring.data + position % self.ring.capacity
    }

    /// Publishes what a producer would publish: the payload, a zero behind it, its header and the hint, with a padding before
    /// it where the room up to the end of the ring does not do.
    pub fn push(&mut self, kind: u8, payload: &[u8]) {
        let length = 8 + payload.len() as u64;
        if length.next_multiple_of(8) <= self.room() {
            return self.put(self.header(length, kind), payload);
        }
        let (start, padding) = (self.at(self.position), self.header(self.room(), PADDING));
        self.position += self.room();
        self.put(self.header(length, kind), payload);
        self.map.store_release(start, padding);
    }

    /// Publishes a payload under any header, and goes on behind it as if the header were right.
    ///
    /// # Panics
    ///
    /// The payload reaches beyond the end of the ring.
    pub fn put(&mut self, header: u64, payload: &[u8]) {
        let span = (8 + payload.len() as u64).next_multiple_of(8);
        assert!(span <= self.room(), "{span} bytes in a room of {}", self.room());
        self.map.copy_in(self.at(self.position) + 8, payload);
        let end = self.position + span;
        self.map.store(self.at(end), 0);
        self.map.store_release(self.at(self.position), header);
        self.map.store_release(self.ring.producer + control_word::HINT, end);
        self.position = end;
    }

    /// Publishes one record that everybody skips, of `length` bytes in all.
    ///
    /// # Panics
    ///
    /// The length is less than a header's, or reaches beyond the end of the ring.
    pub fn skip(&mut self, length: u64) {
        let payload = length.checked_sub(8).and_then(|rest| usize::try_from(rest).ok());
        self.push(UNKNOWN, &vec![0; payload.expect("a header's length or more")]);
    }
}

const PADDING: u8 = 1;
/// A kind of record that no version has.
const UNKNOWN: u8 = 200;

/// A record's payload: the envelope, its topic and what comes behind.
pub fn envelope(id: u64, flags: u8, status: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(topic.len()).unwrap_or(u8::MAX);
    let [low, high] = status.to_le_bytes();
    let rest = [length, flags, low, high, 0, 0, 0, 0];
    [&id.to_le_bytes()[..], &rest, topic.as_bytes(), payload].concat()
}
