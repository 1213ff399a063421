//! A guest's way to a channel.

use std::time::{Duration, Instant};

use ivring_proto::memory::Memory as _;

use super::guest::Program;
use super::region::{Place, Region, VERSION, VERSIONS, padded, random, text, wrong};
use super::ring::{Reader, Ring, Writer};
use super::talk::Talk;
use crate::Error;

/// A request in a join cell.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) region: Region,
    pub(super) nonce: u64,
    cell: u64,
    attempt: u64,
    again: Instant,
    refused: bool,
}

impl Request {
    /// Writes the first.
    pub(super) fn start(region: Region, program: &Program) -> Result<Self, Error> {
        let (nonce, again) = (random()?, Instant::now());
        let mut request = Self { region, nonce, cell: 0, attempt: 0, again, refused: false };
        request.repeat(program)?;
        Ok(request)
    }

    /// Writes it again when it is time, elsewhere if the cell has become another's. A guest should look for that after a
    /// few milliseconds already; a repeat does, too, and there are never many guests beside this one.
    pub(super) fn repeat(&mut self, program: &Program) -> Result<(), Error> {
        if Instant::now() < self.again {
            return Ok(());
        }
        let map = &self.region.map;
        if self.cell == 0 || map.load(self.cell) != self.attempt || map.load(self.cell + 8) != self.nonce {
            let cells: Vec<_> = (0..16).map(|index| self.region.cells + 256 * index).collect();
            let free: Vec<_> = cells.iter().copied().filter(|&cell| map.load(cell) == 0).collect();
            let among = if free.is_empty() { cells } else { free };
            let index = random()? % among.len() as u64;
            self.cell = among[usize::try_from(index).expect("below 16")];
        }
        self.attempt = random()?;
        let bytes = request_bytes(self.attempt, self.nonce, program);
        map.store(self.cell, 0);
        map.copy_in(self.cell + 8, &bytes[8..]);
        map.store_release(self.cell, self.attempt);
        self.again = Instant::now() + Duration::from_millis(200 + random()? % 200);
        Ok(())
    }

    /// The host's refusal, once: code and text.
    pub(super) fn refusal(&mut self) -> Option<(u64, String)> {
        let answer = self.region.status + 2048 + (self.cell - self.region.cells) / 2;
        if self.refused || self.region.map.load_acquire(answer) != self.nonce {
            return None;
        }
        self.refused = true;
        let reason = text(&self.region.bytes::<104>(answer + 24));
        Some((self.region.map.load(answer + 8), reason))
    }

    /// The channel that is offered.
    pub(super) fn offer(&self) -> Option<Place> {
        let map = &self.region.map;
        (0..self.region.channels).map(|channel| self.region.place(channel)).find(|place| {
            map.load_acquire(place.entry + 8) == self.nonce && map.load(place.entry) & 0xff == 1
        })
    }

    /// Takes it.
    pub(super) fn confirm(&self, place: Place) -> Result<Talk, Error> {
        let Self { region, nonce, .. } = self;
        let map = &region.map;
        let [salt, to_guest_salt, to_host_start, to_guest_start, version, features, challenge] =
            [16, 24, 32, 40, 80, 88, 96].map(|at| map.load(place.entry + at));
        if version != VERSION || features != 0 {
            return Err(wrong(format!("a session of version {version:#x}, features {features:#x} for 1.0")));
        }
        if [to_host_start, to_guest_start].iter().any(|start| !start.is_multiple_of(8) || *start >= 1 << 62) {
            return Err(wrong(format!("rings begin at {to_host_start} and {to_guest_start}")));
        }
        let (outbound, inbound) = (Ring::to_host(region, place), Ring::to_guest(region, place));
        let seen = inbound.seen_before(to_guest_start);
        let talk = Talk::new(
            Writer::start(outbound, salt, to_host_start, to_host_start),
            Reader::start(inbound, to_guest_salt, to_guest_start, seen),
        );
        map.store(place.guest + 280, challenge);
        map.store(place.guest + 272, 0);
        map.store_release(place.guest + 256, nonce ^ salt);
        map.store_release(self.cell, 0);
        Ok(talk)
    }
}

/// The 256 bytes of a join cell.
fn request_bytes(attempt: u64, nonce: u64, program: &Program) -> Vec<u8> {
    let mut bytes = Vec::from(attempt.to_le_bytes());
    bytes.extend(nonce.to_le_bytes());
    bytes.extend(program.uuid.to_be_bytes());
    bytes.extend(program.boot.to_be_bytes());
    bytes.extend(VERSIONS.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(padded::<32>(&program.port));
    bytes.extend(padded::<64>(&program.name));
    bytes.resize(248, 0);
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

/// FNV-1a of 64 bits.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::golden::{REFUSED, assert_holds};
    use super::*;

    #[test]
    fn a_request_has_the_bytes_of_1_0() {
        let program = Program { uuid: 0xc0, boot: 0xd0, port: "agent".to_owned(), name: "web1".to_owned() };
        assert_holds(REFUSED, 0x2300, &request_bytes(0xa0, 0xb0, &program));
    }
}
