//! What is measured, and in which direction.

use serde::{Deserialize, Serialize};

use super::transport::Transport;
use crate::{measurement::Test, peer::Side};

/// Lengths of messages, in bytes.
pub(crate) const LENGTHS: [usize; 3] = [64, 1024, 65536];

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A process of the host.
    Host,
    /// A process of the guest.
    Guest,
}

/// A test and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Way {
    /// What is measured.
    pub test: Test,
    /// The end with the clock: it receives what goes one way, and begins each round trip.
    pub clock: End,
}

impl Way {
    /// Everything that is measured, in its order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        LENGTHS.into_iter().flat_map(|length| {
            [Test::RoundTrip { length }, Test::OneWay { length }]
                .into_iter()
                .flat_map(|test| [End::Host, End::Guest].map(|clock| Self { test, clock }))
        })
    }

    /// The side that an end takes.
    pub(crate) fn side(self, end: End) -> Side {
        if self.clock == end { Side::Driver } else { Side::Partner }
    }

    /// What people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match (self.test, self.clock) {
            (Test::OneWay { .. }, End::Host) => "guest to host",
            (Test::OneWay { .. }, End::Guest) => "host to guest",
            (Test::RoundTrip { .. }, End::Host) => "round trip from the host",
            (Test::RoundTrip { .. }, End::Guest) => "round trip from the guest",
        }
    }
}

/// The order of `transports` in one way of a round: as in the other comparison, who begins is another one each round.
pub(crate) fn turns(transports: &[Transport], way: Way, round: usize) -> Vec<Transport> {
    crate::schedule::rotated(transports.iter().copied().filter(|transport| transport.takes(way)), round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured_in_both_directions() {
        let ways: Vec<Way> = Way::all().collect();
        assert_eq!(ways.len(), 12);
        assert!(ways.iter().all(|way| way.side(End::Host) != way.side(End::Guest)));
        let both = |way: &&Way| way.clock == End::Host;
        assert_eq!(ways.iter().filter(both).count(), 6);
    }
}
