//! Who takes part.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::way::Way;
use crate::measurement::Test;

/// A way from the host to a guest, or a limit that none can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// ivring's ring in the device's memory, published with each message.
    Ring,
    /// ivring's ring, published a batch at a time.
    RingBatched,
    /// A session of ivring, host and guest library, published a batch at a time.
    Link,
    /// A virtio serial port, a call a message.
    Serial,
    /// A virtio serial port, 64 KiB at a time.
    SerialGathered,
    /// vsock by vhost-user, a call a message.
    Vsock,
    /// vsock by vhost-user, 64 KiB at a time.
    VsockGathered,
    /// TCP over QEMU's user-mode network, a call a message.
    Tcp,
    /// TCP over QEMU's user-mode network, 64 KiB at a time.
    TcpGathered,
    /// Limit: a number to and fro in one line of the device's memory.
    OneLine,
    /// Limit: a number to and fro, a line a direction.
    TwoLines,
    /// Limit: what the ring's instructions take, without another side.
    Alone,
}

impl Transport {
    /// Everybody, in the order of the tables.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The peers: neither ivring nor a limit.
    pub(crate) fn peers() -> impl Iterator<Item = Self> {
        Self::all().iter().copied().filter(|transport| !transport.is_ivring() && !transport.is_limit())
    }

    /// What tables call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ring => "ivring, each message",
            Self::RingBatched => "ivring, batched",
            Self::Link => "ivring link, batched",
            Self::Serial => "virtio-serial, each message",
            Self::SerialGathered => "virtio-serial, 64 KiB at a time",
            Self::Vsock => "vsock, each message",
            Self::VsockGathered => "vsock, 64 KiB at a time",
            Self::Tcp => "TCP, each message",
            Self::TcpGathered => "TCP, 64 KiB at a time",
            Self::OneLine => "limit: one raw line",
            Self::TwoLines => "limit: two raw lines",
            Self::Alone => "limit: the ring without another side",
        }
    }

    /// Whether it is one of ivring's.
    #[must_use]
    pub fn is_ivring(self) -> bool {
        matches!(self, Self::Ring | Self::RingBatched | Self::Link)
    }

    /// Whether it carries no messages.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self, Self::OneLine | Self::TwoLines | Self::Alone)
    }

    /// Whether it is made of lines that both sides use, so that it matters how far apart the processors are.
    pub(crate) fn shares_lines(self) -> bool {
        self.is_ivring() || matches!(self, Self::OneLine | Self::TwoLines)
    }

    /// Whether it needs the program that is built for vsock.
    pub(crate) fn is_vsock(self) -> bool {
        matches!(self, Self::Vsock | Self::VsockGathered)
    }

    /// Whether its figure means something there.
    pub(crate) fn takes(self, way: Way) -> bool {
        match self {
            // A single message is a batch of one, and the same.
            Self::RingBatched | Self::SerialGathered | Self::VsockGathered | Self::TcpGathered => {
                matches!(way.test, Test::OneWay { .. })
            }
            // A line is a line, whatever the message.
            Self::OneLine | Self::TwoLines => matches!(way.test, Test::RoundTrip { length: 64 }),
            Self::Alone => matches!(way.test, Test::RoundTrip { .. }),
            _ => true,
        }
    }
}
