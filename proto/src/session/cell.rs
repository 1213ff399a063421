//! A join request, as it lies in a join cell.
//!
//! Sixteen cells serve any number of guests: whoever wants in writes into a random one. Two may pick the same; the
//! checksum then fails or one body replaces the other, and the loser notices by reading its cell back.

use super::{Identity, Port, Text, Uuid};
use crate::layout::{NAME_LEN, PORT_LEN, VersionRange, cell_word as word};
use crate::memory::Memory;

/// Size of a cell in bytes, as an array length.
const SIZE: usize = 256;
const _: () = assert!(SIZE as u64 == word::SIZE);
const CHECKSUM: usize = 248;
const _: () = assert!(CHECKSUM as u64 == word::CHECKSUM);

/// What a guest asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinRequest {
    /// Names this attempt; random, never 0.
    pub attempt: u64,
    /// The session asked for; random, never 0, kept over retries.
    pub nonce: u64,
    /// Who asks.
    pub identity: Identity,
    /// Boot id of the guest's kernel.
    pub boot: Uuid,
    /// Versions the guest speaks.
    pub versions: VersionRange,
    /// Feature bits it insists on.
    pub features_required: u64,
    /// Feature bits it can use.
    pub features_optional: u64,
    /// The name it gives itself; untrusted.
    pub name: Text<NAME_LEN>,
    /// Its last session ended because somebody else wrote in its place: nothing of that session is to go on.
    pub second_writer: bool,
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): finds torn and mixed cells. It is no defence against a
/// forger, and need not be: a guest may ask for anything.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn word_at(bytes: &[u8; SIZE], at: u64) -> u64 {
    let mut word = [0; 8];
    if let Some(found) = usize::try_from(at).ok().and_then(|at| bytes.get(at..at + 8)) {
        word.copy_from_slice(found);
    }
    u64::from_le_bytes(word)
}

fn array_at<const N: usize>(bytes: &[u8; SIZE], at: u64) -> [u8; N] {
    let mut array = [0; N];
    if let Some(found) = usize::try_from(at).ok().and_then(|at| bytes.get(at..at + N)) {
        array.copy_from_slice(found);
    }
    array
}

fn encode(request: &JoinRequest) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let mut put = |at: u64, field: &[u8]| {
        if let Some(place) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at..at + field.len())) {
            place.copy_from_slice(field);
        }
    };
    put(word::ATTEMPT, &request.attempt.to_le_bytes());
    put(word::NONCE, &request.nonce.to_le_bytes());
    put(word::UUID, request.identity.uuid.as_bytes());
    put(word::BOOT, request.boot.as_bytes());
    put(word::VERSIONS, &request.versions.to_word().to_le_bytes());
    put(word::FEATURES_REQUIRED, &request.features_required.to_le_bytes());
    put(word::FEATURES_OPTIONAL, &request.features_optional.to_le_bytes());
    put(word::PORT, request.identity.port.text().as_bytes());
    put(word::NAME, request.name.as_bytes());
    put(word::SECOND_WRITER, &u64::from(request.second_writer).to_le_bytes());
    let sum = checksum(&bytes[..CHECKSUM]);
    bytes[CHECKSUM..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Writes a request into the cell at `cell`; the attempt is stored last.
pub fn write_request<M: Memory>(memory: &M, cell: u64, request: &JoinRequest) {
    let bytes = encode(request);
    memory.store(cell + word::ATTEMPT, 0);
    memory.before_publish();
    memory.copy_in(cell + 8, &bytes[8..]);
    memory.before_publish();
    // EDGE join-request (pairs with read_request).
    memory.store_release(cell + word::ATTEMPT, request.attempt);
    memory.after_publish();
}

/// A cell's bytes: the attempt as it was loaded, and a copy of the rest.
fn read_bytes<M: Memory>(memory: &M, cell: u64, attempt: u64) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&attempt.to_le_bytes());
    memory.copy_out(cell + 8, &mut bytes[8..]);
    bytes
}

/// Reads the request in the cell at `cell`; `None` when the cell is free, being written, torn or makes no sense.
pub fn read_request<M: Memory>(memory: &M, cell: u64) -> Option<JoinRequest> {
    // EDGE join-request (pairs with write_request).
    let attempt = memory.load_acquire(cell + word::ATTEMPT);
    if attempt == 0 {
        return None;
    }
    memory.after_ready();
    let bytes = read_bytes(memory, cell, attempt);
    memory.before_release();
    if memory.load(cell + word::ATTEMPT) != attempt
        || word_at(&bytes, word::CHECKSUM) != checksum(&bytes[..CHECKSUM])
    {
        return None;
    }
    let nonce = word_at(&bytes, word::NONCE);
    let uuid = Uuid::from_bytes(array_at(&bytes, word::UUID));
    let port = Port::from_text(Text::from_bytes(&array_at::<PORT_LEN>(&bytes, word::PORT)))?;
    (nonce != 0 && !uuid.is_nil()).then_some(JoinRequest {
        attempt,
        nonce,
        identity: Identity { uuid, port },
        boot: Uuid::from_bytes(array_at(&bytes, word::BOOT)),
        versions: VersionRange::from_word(word_at(&bytes, word::VERSIONS)),
        features_required: word_at(&bytes, word::FEATURES_REQUIRED),
        features_optional: word_at(&bytes, word::FEATURES_OPTIONAL),
        name: Text::from_bytes(&array_at::<NAME_LEN>(&bytes, word::NAME)),
        second_writer: word_at(&bytes, word::SECOND_WRITER) != 0,
    })
}

/// True while the cell at `cell` still holds the whole of `request`.
pub fn is_still_there<M: Memory>(memory: &M, cell: u64, request: &JoinRequest) -> bool {
    let attempt = memory.load_acquire(cell + word::ATTEMPT);
    memory.after_ready();
    read_bytes(memory, cell, attempt) == encode(request)
}

/// Frees the cell at `cell`. Only the guest whose request is in it does so, when it no longer needs an answer.
pub fn clear_request<M: Memory>(memory: &M, cell: u64) {
    memory.store(cell + word::ATTEMPT, 0);
    memory.after_publish();
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use super::*;
    use crate::memory::HeapMemory;

    fn request(attempt: u64) -> JoinRequest {
        JoinRequest {
            attempt,
            nonce: 7,
            identity: Identity { uuid: Uuid::from_u128(1), port: Port::agent() },
            boot: Uuid::from_u128(2),
            versions: VersionRange::SUPPORTED,
            features_required: 1,
            features_optional: 2,
            name: Text::truncated("web1"),
            second_writer: true,
        }
    }

    #[test]
    fn a_request_survives_the_cell() {
        let memory = HeapMemory::new(4096);
        write_request(&memory, 256, &request(5));
        assert_eq!(read_request(&memory, 256), Some(request(5)));
        assert!(is_still_there(&memory, 256, &request(5)));
        clear_request(&memory, 256);
        assert_eq!(read_request(&memory, 256), None);
    }

    #[test]
    fn no_word_of_a_cell_can_change_unnoticed() {
        for word in 0..SIZE as u64 / 8 {
            let memory = HeapMemory::new(4096);
            write_request(&memory, 0, &request(5));
            memory.store(word * 8, memory.load(word * 8) ^ 1 << 17);
            assert_eq!(read_request(&memory, 0), None, "word {word}");
            assert!(!is_still_there(&memory, 0, &request(5)), "word {word}");
        }
    }
}
