//! Where everything lies in a region, as named offsets asserted at compile time.
//!
//! All control words are little-endian `u64` at 8-byte aligned offsets and are only ever accessed at that width. A page
//! is written by one side only, and within it every 128-byte line by one writer, so that no line is ever contended.
//!
//! ```text
//! offset    size         written by  what
//! 0         4096         host        superblock (frozen for ever)
//! 4096      4096         host        status page: epoch, heartbeat, answers to join requests
//! 8192      4096         guests      16 join cells of 256 bytes
//! 12288     N x 128      host        directory, one entry a channel          (padded to a page)
//! ...       N x 512      host        host control, one block a channel       (padded to a page)
//! ...       N x 512      guests      guest control, one block a channel      (padded to a page)
//! ...       N x (T + G)  both        rings: to-host then to-guest, channel by channel
//! ```

mod geometry;
mod position;
mod superblock;

pub use geometry::{ChannelPlace, Geometry, GeometryError, RingPlace};
pub use position::{MAX_POSITION, is_position};
pub use superblock::{
    MAGIC, RegionState, Superblock, SuperblockError, Version, VersionRange, WrongWord, mend_superblock,
    read_superblock, read_superblock_of, write_state, write_superblock, write_versions,
};

/// The unit in which pages are counted, in bytes; a protocol constant, whatever the machine's page size.
pub const PAGE: u64 = 4096;
/// One writer a line: the unit of exclusive writing, in bytes. Two 64-byte cache lines, because adjacent-line
/// prefetchers pull pairs (Intel Optimization Reference Manual, "Spatial Prefetcher"); a protocol constant.
pub const LINE: u64 = 128;

/// Offsets of words in the superblock (page 0). Frozen for every version of the layout.
pub mod superblock_word {
    /// `b"ivring\0\x01"` as a little-endian word.
    pub const MAGIC: u64 = 0;
    /// Region state: INIT, READY or CLOSING in the low byte, the reason in the next; stored last.
    pub const STATE: u64 = 8;
    /// Layout versions that the host serves: minimum in the low half, maximum in the high half.
    pub const VERSIONS: u64 = 16;
    /// Feature bits a guest must know to attach.
    pub const FEATURES_REQUIRED: u64 = 24;
    /// Feature bits a guest may use.
    pub const FEATURES_OPTIONAL: u64 = 32;
    /// Size of the region in bytes.
    pub const SIZE: u64 = 40;
    /// Number of channels.
    pub const CHANNELS: u64 = 48;
    /// Capacity of each to-host ring in bytes.
    pub const TO_HOST: u64 = 56;
    /// Capacity of each to-guest ring in bytes.
    pub const TO_GUEST: u64 = 64;
    /// Offset of the status page.
    pub const STATUS: u64 = 72;
    /// Offset of the join cells.
    pub const CELLS: u64 = 80;
    /// Offset of the directory.
    pub const DIRECTORY: u64 = 88;
    /// Offset of the host control blocks.
    pub const HOST_CONTROL: u64 = 96;
    /// Offset of the guest control blocks.
    pub const GUEST_CONTROL: u64 = 104;
    /// Offset of the first ring.
    pub const RINGS: u64 = 112;
    /// Counts the formats of this region, from 1.
    pub const GENERATION: u64 = 120;
    /// UUID of the only VM that may join, two words; zero when any may.
    pub const OWNER: u64 = 128;
    /// The region's name, 64 bytes, NUL padded.
    pub const NAME: u64 = 144;
    /// Text beside the reason in the state word, 128 bytes, NUL padded.
    pub const REASON_TEXT: u64 = 256;
    /// Length of the name in bytes.
    pub const NAME_LEN: usize = 64;
    /// Length of the reason's text in bytes.
    pub const REASON_TEXT_LEN: usize = 128;
}

/// Offsets of words in the status page (page 1, written by the host).
pub mod status_word {
    /// The daemon's incarnation: random, never 0, new at each start of a host.
    pub const EPOCH: u64 = 0;
    /// The host's heartbeat: counter in the low half, fresh random in the high half.
    pub const HEARTBEAT: u64 = 8;
    /// Answers to join requests, one of [`ANSWER`] bytes for each cell.
    pub const ANSWERS: u64 = 2048;
    /// Size of one answer in bytes.
    pub const ANSWER: u64 = 128;
}

/// Offsets of words in one answer to a join request (written by the host).
pub mod answer_word {
    /// The request's nonce; stored last, zero while the answer is being written.
    pub const NONCE: u64 = 0;
    /// Refusal code, see `session::Refusal`.
    pub const CODE: u64 = 8;
    /// A number that belongs to the code (channels, a version).
    pub const DETAIL: u64 = 16;
    /// Reason in words, 104 bytes, NUL padded.
    pub const TEXT: u64 = 24;
    /// Length of the text in bytes.
    pub const TEXT_LEN: usize = 104;
}

/// Offsets of words in one join cell (written by guests).
pub mod cell_word {
    /// Names this attempt: random, never 0, stored last; 0 means the cell is free.
    pub const ATTEMPT: u64 = 0;
    /// The session asked for; random, never 0; kept over retries.
    pub const NONCE: u64 = 8;
    /// UUID of the VM, two words.
    pub const UUID: u64 = 16;
    /// Boot id of the guest's kernel, two words.
    pub const BOOT: u64 = 32;
    /// Protocol versions the guest speaks: minimum in the low half, maximum in the high half.
    pub const VERSIONS: u64 = 48;
    /// Feature bits the guest insists on.
    pub const FEATURES_REQUIRED: u64 = 56;
    /// Feature bits the guest can use.
    pub const FEATURES_OPTIONAL: u64 = 64;
    /// Port name, 32 bytes, NUL padded.
    pub const PORT: u64 = 72;
    /// The name the guest gives itself, 64 bytes, NUL padded.
    pub const NAME: u64 = 104;
    /// 1 when the guest's last session ended because somebody else wrote in its place; else 0.
    pub const SECOND_WRITER: u64 = 168;
    /// Checksum over every word of the cell before it.
    pub const CHECKSUM: u64 = 248;
    /// Number of cells.
    pub const COUNT: u64 = 16;
    /// Size of a cell in bytes.
    pub const SIZE: u64 = 256;
}

/// Offsets of words in one directory entry (written by the host).
pub mod entry_word {
    /// Channel state in the low byte, close reason in the next.
    pub const STATE: u64 = 0;
    /// Echo of the request's nonce; stored last.
    pub const NONCE: u64 = 8;
    /// The session's salt: tag of the to-host ring in its low 24 bits.
    pub const SALT: u64 = 16;
    /// Salt of the to-guest ring.
    pub const TO_GUEST_SALT: u64 = 24;
    /// Position at which the guest starts to produce.
    pub const TO_HOST_START: u64 = 32;
    /// Position at which the guest starts to consume.
    pub const TO_GUEST_START: u64 = 40;
    /// UUID the channel is bound to, two words.
    pub const UUID: u64 = 48;
    /// Boot id of the session, two words.
    pub const BOOT: u64 = 64;
    /// Protocol version chosen.
    pub const VERSION: u64 = 80;
    /// Features chosen.
    pub const FEATURES: u64 = 88;
    /// Raised by the host to ask the incumbent whether it lives.
    pub const CHALLENGE: u64 = 96;
    /// Size of an entry in bytes.
    pub const SIZE: u64 = 128;
}

/// Offsets in one control block of 512 bytes, host's and guest's alike: a line a role.
///
/// The producer line belongs to the ring this side produces into, the consumer line to the ring it consumes.
pub mod control_word {
    /// Start of the producer line.
    pub const PRODUCER: u64 = 0;
    /// Start of the consumer line.
    pub const CONSUMER: u64 = 128;
    /// Start of the session line.
    pub const SESSION: u64 = 256;
    /// Start of the text line.
    pub const TEXT: u64 = 384;
    /// Size of a block in bytes.
    pub const SIZE: u64 = 512;

    /// Producer line: position after the last publish. Stored after the record's header, never before.
    pub const HINT: u64 = 0;
    /// Producer line, reserved for the doorbell: wake me when the head passes this.
    pub const SPACE_WANT: u64 = 8;
    /// Consumer line: every byte before this position may be overwritten.
    pub const HEAD: u64 = 0;
    /// Consumer line: every record before this position has been handed over. Stored with each record, so it has 64 bytes of
    /// its own: a producer that waits for space keeps looking at the head.
    pub const SEEN: u64 = 64;
    /// Consumer line: where programs of protocol 1.0 keep what belongs to [`SEEN`].
    pub const SEEN_IN_1_0: u64 = 8;
    /// Consumer line, reserved for the doorbell: wake me when the position passes this.
    pub const DATA_WANT: u64 = 16;

    /// Session line of the guest: nonce ^ salt once its side is ready.
    pub const CONFIRM: u64 = 0;
    /// Session line of the guest: heartbeat, counter in the low half, random in the high half.
    pub const HEARTBEAT: u64 = 8;
    /// Session line of the guest: the nonce it says good-bye for.
    pub const BYE: u64 = 16;
    /// Session line of the guest: the last challenge it answered.
    pub const CHALLENGE_ANSWER: u64 = 24;
    /// Session line of the guest: why it said good-bye.
    pub const BYE_REASON: u64 = 32;
    /// Session line of the guest: the session's nonce, with how the guest has mapped the region in its low byte.
    pub const CACHING: u64 = 40;

    /// Text line of the host: port of the identity the channel is bound to, 32 bytes, NUL padded.
    pub const PORT: u64 = 0;
    /// Text line of the host: name the guest gave, 64 bytes, NUL padded.
    pub const NAME: u64 = 32;
}

/// Length of a port name in bytes.
pub const PORT_LEN: usize = 32;
/// Length of a guest's name in bytes.
pub const NAME_LEN: usize = 64;

const _: () = {
    use superblock_word as s;
    assert!(s::NAME + s::NAME_LEN as u64 <= s::REASON_TEXT);
    assert!(s::REASON_TEXT + s::REASON_TEXT_LEN as u64 <= PAGE);
    assert!(status_word::ANSWERS + cell_word::COUNT * status_word::ANSWER <= PAGE);
    assert!(answer_word::TEXT + answer_word::TEXT_LEN as u64 == status_word::ANSWER);
    assert!(cell_word::COUNT * cell_word::SIZE == PAGE);
    assert!(cell_word::PORT + PORT_LEN as u64 == cell_word::NAME);
    assert!(cell_word::NAME + NAME_LEN as u64 == cell_word::SECOND_WRITER);
    assert!(cell_word::SECOND_WRITER + 8 <= cell_word::CHECKSUM);
    assert!(cell_word::CHECKSUM + 8 == cell_word::SIZE);
    assert!(entry_word::CHALLENGE + 8 <= entry_word::SIZE && entry_word::SIZE == LINE);
    assert!(control_word::TEXT + LINE == control_word::SIZE);
    assert!(control_word::NAME + NAME_LEN as u64 <= LINE);
    assert!(PORT_LEN as u64 == control_word::NAME - control_word::PORT);
};
