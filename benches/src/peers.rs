//! Everybody who takes part, and how each is started.

mod blocks;
mod crossbeam;
pub(crate) mod frames;
mod full_lines;
#[cfg(feature = "peers")]
pub(crate) mod iceoryx2;
mod ideal;
mod link;
mod pipe;
pub(crate) mod ring;
mod rtrb_chunks;
mod rtrb_values;
#[cfg(feature = "peers")]
mod shmem_ipc;
mod twin;
mod unix_socket;
mod unix_stream;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    bounce::Lines,
    failure::Failure,
    measurement::Test,
    worker::{Outcome, Seat},
};

/// A peer, or a limit that none can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// ivring's ring, published with each message.
    Ring,
    /// ivring's ring, published a batch at a time.
    RingBatched,
    /// ivring's link over that ring, published a batch at a time.
    Link,
    /// The ring with a shared tail, published with each message.
    Twin,
    /// The ring with a shared tail, published a batch at a time.
    TwinBatched,
    /// The least that a ring can be, published and released with each message.
    Ideal,
    /// The least that a ring can be, published a batch at a time.
    IdealBatched,
    /// rtrb with an item a message (threads).
    RtrbValues,
    /// rtrb with a chunk of bytes a message (threads).
    RtrbChunks,
    /// rtrb with a chunk of bytes a batch, by hand (threads).
    RtrbChunksBatched,
    /// crossbeam-channel with an item a message, polled (threads).
    Crossbeam,
    /// iceoryx2, publish and subscribe of slices (with the feature `peers`).
    Iceoryx2,
    /// shmem-ipc, a ring of bytes, polled (with the feature `peers`).
    ShmemIpc,
    /// A UNIX stream socket, 64 KiB at a time.
    UnixStream,
    /// A UNIX datagram socket, a call a message, polled.
    UnixSocket,
    /// The same, blocking.
    UnixSocketBlocking,
    /// A pipe, a call a message, polled.
    Pipe,
    /// Limit: a number to and fro in one line.
    OneLine,
    /// Limit: a number to and fro, a line a direction.
    TwoLines,
    /// Limit: 56 bytes in a line to and fro, another line each time.
    FullLines,
    /// Limit: bytes handed over in blocks, with nothing between the messages.
    Blocks,
    /// Limit: one core copies messages out of its second cache.
    CopyNear,
    /// Limit: one core copies messages out of the last cache.
    CopyFar,
}

/// Bytes that stay in a core's second cache.
const NEAR: usize = 256 * 1024;
/// Bytes that do not, but fit the last cache of any server.
const FAR: usize = 16 * 1024 * 1024;

/// Calls something for arrays of a message's length, which the compiler must know.
macro_rules! by_length {
    ($length:expr, $n:ident => $call:expr) => {
        by_length!($length, $n => $call; 8 56 64 256 1024 4096 65536)
    };
    ($length:expr, $n:ident => $call:expr; $($known:literal)*) => {
        match $length {
            $($known => { const $n: usize = $known; $call })*
            length => Err(Failure::Peer { peer: "arrays", what: format!("none of {length} bytes") }),
        }
    };
}

impl Peer {
    /// Everybody, in the order of the tables.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// What tables call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ring => "ivring, each message",
            Self::RingBatched => "ivring, batched",
            Self::Link => "ivring link, batched",
            Self::Twin => "head/tail twin, each message",
            Self::TwinBatched => "head/tail twin, batched",
            Self::Ideal => "ideal ring, each message",
            Self::IdealBatched => "ideal ring, batched",
            Self::RtrbValues => "rtrb, values (threads)",
            Self::RtrbChunks => "rtrb, chunks (threads)",
            Self::RtrbChunksBatched => "rtrb, chunks by hand (threads)",
            Self::Crossbeam => "crossbeam-channel (threads)",
            Self::Iceoryx2 => "iceoryx2",
            Self::ShmemIpc => "shmem-ipc, polled",
            Self::UnixStream => "unix stream, buffered",
            Self::UnixSocket => "unix datagram, polled",
            Self::UnixSocketBlocking => "unix datagram, blocking",
            Self::Pipe => "pipe, polled",
            Self::OneLine => "limit: one raw line",
            Self::TwoLines => "limit: two raw lines",
            Self::FullLines => "limit: two full lines",
            Self::Blocks => "limit: blocks from core to core",
            Self::CopyNear => "limit: copy within L2",
            Self::CopyFar => "limit: copy within L3",
        }
    }

    /// Whether this program was built with it.
    #[must_use]
    pub fn is_built(self) -> bool {
        cfg!(feature = "peers") || !matches!(self, Self::Iceoryx2 | Self::ShmemIpc)
    }

    /// Whether it is no peer, but what none of them can pass.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(
            self,
            Self::OneLine | Self::TwoLines | Self::FullLines | Self::Blocks | Self::CopyNear | Self::CopyFar
        )
    }

    /// Whether its figure in this test means something.
    #[must_use]
    pub fn takes(self, test: Test) -> bool {
        match self {
            // What is batched waits for company; a single message is a batch of one, and the same.
            Self::RingBatched
            | Self::TwinBatched
            | Self::IdealBatched
            | Self::RtrbChunksBatched
            | Self::UnixStream => matches!(test, Test::OneWay { .. }),
            Self::Blocks | Self::CopyNear | Self::CopyFar => matches!(test, Test::OneWay { .. }),
            // It waits for every message there, and for none here.
            Self::UnixSocketBlocking => matches!(test, Test::RoundTrip { .. }),
            // A line is a line, whatever the message.
            Self::OneLine | Self::TwoLines => matches!(test, Test::RoundTrip { length: 56 }),
            // More would not fit beside the number.
            Self::FullLines => matches!(test, Test::RoundTrip { length: 56 }),
            _ => true,
        }
    }

    /// Whether its sides are two processes. Else one process does it all.
    pub(crate) fn is_apart(self) -> bool {
        !matches!(
            self,
            Self::RtrbValues
                | Self::RtrbChunks
                | Self::RtrbChunksBatched
                | Self::Crossbeam
                | Self::CopyNear
                | Self::CopyFar
        )
    }

    /// Takes part in the measurement. Only the side with the clock has an outcome.
    pub(crate) fn run(self, seat: &Seat) -> Result<Option<Outcome>, Failure> {
        let length = seat.length();
        match self {
            Self::Ring => seat.apart::<ring::Ring<false>>(),
            Self::RingBatched => seat.apart::<ring::Ring<true>>(),
            Self::Link => seat.apart::<link::Linked>(),
            Self::Twin => seat.apart::<twin::Twin<false>>(),
            Self::TwinBatched => seat.apart::<twin::Twin<true>>(),
            Self::Ideal => seat.apart::<ideal::Ideal<false>>(),
            Self::IdealBatched => seat.apart::<ideal::Ideal<true>>(),
            Self::RtrbValues => by_length!(length, N => seat.together::<rtrb_values::Values<N>>()),
            Self::RtrbChunks => seat.together::<rtrb_chunks::Chunks<false>>(),
            Self::RtrbChunksBatched => seat.together::<rtrb_chunks::Chunks<true>>(),
            Self::Crossbeam => by_length!(length, N => seat.together::<crossbeam::Channel<N>>()),
            #[cfg(feature = "peers")]
            Self::Iceoryx2 => seat.apart::<iceoryx2::Services>(),
            #[cfg(feature = "peers")]
            Self::ShmemIpc => seat.apart::<shmem_ipc::SharedRing>(),
            #[cfg(not(feature = "peers"))]
            Self::Iceoryx2 | Self::ShmemIpc => Err(Failure::NotBuilt(self.label())),
            Self::UnixStream => seat.apart::<unix_stream::BufferedStream>(),
            Self::UnixSocket => seat.apart::<unix_socket::Datagrams<false>>(),
            Self::UnixSocketBlocking => seat.apart::<unix_socket::Datagrams<true>>(),
            Self::Pipe => seat.apart::<pipe::Pipes>(),
            Self::OneLine => seat.raw(Lines::One),
            Self::TwoLines => seat.raw(Lines::Two),
            Self::FullLines => seat.apart::<full_lines::FullLines>(),
            Self::Blocks => seat.apart::<blocks::Blocks>(),
            Self::CopyNear => seat.alone(NEAR),
            Self::CopyFar => seat.alone(FAR),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{
        cord::Cord, course::Course, measurement::Job, peer::Side, processors::first_two, schedule::tests,
        worker::Figure,
    };

    /// Both sides of a job, as threads where they would be processes.
    fn run(job: &Job) -> Result<Outcome, Failure> {
        let peer = job.peer;
        let (one, other) = if peer.is_apart() {
            let (one, other) = Cord::pair()?;
            (Some(one), Some(other))
        } else {
            (None, None)
        };
        let partner = other.map(|other| Seat::new(job.clone(), Side::Partner, Some(other)));
        let driver = Seat::new(job.clone(), Side::Driver, one);
        thread::scope(|scope| {
            let partner = partner.map(|seat| scope.spawn(move || peer.run(&seat).map(drop)));
            // A thread of its own: it is pinned.
            let driver = scope.spawn(move || peer.run(&driver));
            if let Some(partner) = partner {
                partner.join().unwrap()?;
            }
            Ok(driver.join().unwrap()?.expect("the driver has an outcome"))
        })
    }

    #[test]
    fn everybody_carries_every_message() {
        let processors = first_two().unwrap();
        for test in tests() {
            for peer in Peer::all().iter().copied().filter(|peer| peer.is_built() && peer.takes(test)) {
                let course = Course { test, warm_up_us: 500, measured_us: 1000 };
                let job = Job { peer, course, processors };
                let outcome = run(&job);
                #[cfg(feature = "peers")]
                iceoryx2::tidy(std::os::unix::process::parent_id());
                let outcome = outcome.unwrap_or_else(|error| panic!("{job:?}: {error}"));
                assert_eq!(outcome.before.is_some(), !matches!(peer, Peer::CopyNear | Peer::CopyFar));
                let carried = match outcome.figure {
                    Figure::OneWay { ns, .. } => ns > 0.0,
                    Figure::RoundTrip(times) => times.count > 0 && times.p50_ns <= times.p999_ns,
                };
                assert!(carried, "{peer:?}, {test:?}");
            }
        }
    }
}
