//! The ways in which the other side of a ring can be wrong.

/// Something in the ring that a correct peer never writes: the session on it is over.
///
/// Positions and lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "snake_case"))]
pub enum Fault {
    /// A header's tag does not belong to its position and session: stale bytes, or a second writer.
    #[error("header {header:#018x} at position {position} has tag {found:#08x} instead of {expected:#08x}")]
    Tag {
        /// Where the header is.
        position: u64,
        /// The header as read.
        header: u64,
        /// Its tag.
        found: u64,
        /// The tag of that position in this session.
        expected: u64,
    },
    /// A header of kind zero, which does not exist.
    #[error("header {header:#018x} at position {position} has kind 0")]
    Kind {
        /// Where the header is.
        position: u64,
        /// The header as read.
        header: u64,
    },
    /// A length shorter than a header or reaching beyond the end of the ring.
    #[error("record at position {position} has length {length}, allowed are 8 to {room}")]
    Length {
        /// Where the header is.
        position: u64,
        /// Its length.
        length: u64,
        /// Bytes up to the end of the ring.
        room: u64,
    },
    /// A record longer than half the ring.
    #[error("record at position {position} has length {length}, the largest is {max}")]
    TooLong {
        /// Where the header is.
        position: u64,
        /// Its length.
        length: u64,
        /// The largest length.
        max: u64,
    },
    /// A padding that does not end at the end of the ring, or fills half of it or more.
    #[error("padding at position {position} has length {length}, and {room} bytes are left in the ring")]
    Padding {
        /// Where the header is.
        position: u64,
        /// Its length.
        length: u64,
        /// Bytes up to the end of the ring.
        room: u64,
    },
    /// A padding with nothing behind it, though the two are published together.
    #[error("no record after the padding at position {position}")]
    NothingAfterPadding {
        /// Where the padding is.
        position: u64,
    },
    /// More records than the ring can hold.
    #[error("records reach position {end}, more than {max} bytes beyond the head {head}")]
    Overfull {
        /// Where they end.
        end: u64,
        /// Where they should start.
        head: u64,
        /// The most a ring holds.
        max: u64,
    },
    /// The head is not aligned to 8.
    #[error("head {head} is not a multiple of 8")]
    HeadUnaligned {
        /// The head as read.
        head: u64,
    },
    /// The head went back, or beyond what was published.
    #[error("head {head} is outside {from} to {to}")]
    Head {
        /// The head as read.
        head: u64,
        /// The last head accepted.
        from: u64,
        /// The end of what is published.
        to: u64,
    },
    /// The hint is not aligned to 8, or further from the head than a ring can be.
    #[error("hint {hint} does not fit to head {head}")]
    Hint {
        /// The hint as read.
        hint: u64,
        /// The head as read.
        head: u64,
    },
    /// The mark of what was handed over is not aligned to 8, or not in the ring behind the head.
    #[error("seen mark {seen} does not fit to head {head}")]
    Seen {
        /// The mark as read.
        seen: u64,
        /// The head as read.
        head: u64,
    },
    /// The position to start or to go on at is not aligned to 8, or one that no ring gets to.
    #[error("position {position} to start at is not a multiple of 8 below 2^62")]
    Start {
        /// The position as given.
        position: u64,
    },
    /// The hint stays ahead of a ring in which nothing more is published.
    #[error("hint {hint} stays ahead of position {position}, where nothing is published: the ring is wedged")]
    Wedged {
        /// The hint as read.
        hint: u64,
        /// Where the consumer waits.
        position: u64,
    },
    /// The header at a producer's position is not zero before its first record: somebody else writes this ring.
    #[error("header {header:#018x} at position {position}, where nothing was written yet: a second writer")]
    Occupied {
        /// Where the header is.
        position: u64,
        /// The header as read.
        header: u64,
    },
}
