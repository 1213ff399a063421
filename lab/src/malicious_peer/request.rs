//! Join requests, right or wrong.

use ivring_proto::layout::cell_word;
use ivring_proto::memory::Memory as _;

use super::MaliciousPeer;

/// The bytes of a join cell, to be changed at will.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: [u8; 256],
}

impl Request {
    /// A request as an honest guest writes it.
    pub fn new(nonce: u64, uuid: u128, boot: u128, port: &str, name: &str) -> Self {
        let mut request = Self { bytes: [0; 256] };
        request.put(cell_word::NONCE, &nonce.to_le_bytes());
        request.put(cell_word::UUID, &uuid.to_be_bytes());
        request.put(cell_word::BOOT, &boot.to_be_bytes());
        request.put(cell_word::VERSIONS, &0x0001_0001_0001_0000_u64.to_le_bytes());
        request.put(cell_word::PORT, port.as_bytes());
        request.put(cell_word::NAME, name.as_bytes());
        request
    }

    /// Changes bytes of it, by their offset in `layout::cell_word`.
    ///
    /// # Panics
    ///
    /// They are not all in the cell.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The same with the word at `at` changed.
    #[must_use]
    pub fn with(&self, at: u64, word: u64) -> Self {
        let mut other = self.clone();
        other.put(at, &word.to_le_bytes());
        other
    }

    /// Writes it into a cell, with this attempt and the checksum that belongs to it.
    pub fn write(&self, peer: &MaliciousPeer, cell: u64, attempt: u64) {
        let mut bytes = self.bytes;
        bytes[..8].copy_from_slice(&attempt.to_le_bytes());
        let sum = bytes[..248].iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.write_with_checksum(peer, cell, attempt, sum);
    }

    /// Writes it into a cell with any checksum.
    ///
    /// # Panics
    ///
    /// There is no such cell.
    pub fn write_with_checksum(&self, peer: &MaliciousPeer, cell: u64, attempt: u64, sum: u64) {
        let word = peer.cell(cell, cell_word::ATTEMPT);
        word.set(0);
        let start = peer.geometry().cell(cell).expect("one of the region's cells");
        peer.memory().copy_in(start + 8, &self.bytes[8..248]);
        peer.cell(cell, cell_word::CHECKSUM).set(sum);
        word.set(attempt);
    }
}
