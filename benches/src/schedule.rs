//! Which measurement comes when. Everybody has a turn in each test of each round, one shortly after the other, so that a
//! machine that changes with time changes for all; who begins is another one each round.

use crate::{measurement::Test, peers::Peer};

/// Lengths of messages one way, in bytes.
pub(crate) const ONE_WAY: [usize; 6] = [8, 64, 256, 1024, 4096, 65536];
/// Lengths of messages there and back, in bytes.
pub(crate) const ROUND_TRIP: [usize; 3] = [56, 64, 1024];

/// Every test.
pub(crate) fn tests() -> impl Iterator<Item = Test> {
    let one_way = ONE_WAY.map(|length| Test::OneWay { length });
    one_way.into_iter().chain(ROUND_TRIP.map(|length| Test::RoundTrip { length }))
}

/// The order of `peers` in one test of a round.
pub(crate) fn turns(peers: &[Peer], test: Test, round: usize) -> Vec<Peer> {
    rotated(peers.iter().copied().filter(|peer| peer.takes(test)), round)
}

/// All of them, another one first in each round.
pub(crate) fn rotated<T>(all: impl Iterator<Item = T>, round: usize) -> Vec<T> {
    let mut turns: Vec<T> = all.collect();
    if !turns.is_empty() {
        // By a third of them and one: nobody follows the same one at the same time of a round again soon.
        let by = round * (turns.len() / 3 + 1) % turns.len();
        turns.rotate_left(by);
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everybody_has_one_turn_a_round() {
        for test in tests() {
            for round in 0..10 {
                let turns = turns(Peer::all(), test, round);
                let distinct: HashSet<_> = turns.iter().collect();
                assert_eq!(distinct.len(), turns.len());
                assert_eq!(turns.len(), Peer::all().iter().filter(|peer| peer.takes(test)).count());
            }
        }
    }

    #[test]
    fn somebody_else_begins() {
        let test = Test::OneWay { length: 64 };
        let firsts: HashSet<_> = (0..4).map(|round| turns(Peer::all(), test, round)[0]).collect();
        assert_eq!(firsts.len(), 4);
        assert!(turns(&[], test, 3).is_empty());
    }
}
