//! Which channel is looked at next: those in use in every round, idle ones a slice at a time.

use std::time::Duration;

/// Idle channels looked at in one round. A region with no more channels than that has all of them looked at in each.
const SLICE: usize = 16;
/// A channel in use counts as idle after that many ticks without a record.
const WARM: u64 = 4;

/// The order in which channels are looked at.
///
/// A round is every hot channel and a slice of all others, so that every idle one is looked at within a bounded number of
/// rounds. A poller that has slept does not know how long ago those rounds were: it [sweeps](Self::sweep), and the next
/// round is all channels.
///
/// Nothing is under way on a channel that is not hot: what is done to all channels that are used is done to the hot ones.
#[derive(Debug)]
pub(super) struct Rota {
    hot: Vec<usize>,
    is_hot: Vec<bool>,
    /// The tick in which each was last used.
    used: Vec<u64>,
    /// The next of the hot ones in this round.
    next_hot: usize,
    /// The next of all channels, and how many of them this round still has.
    next: usize,
    left: usize,
    /// The next round, and what is left of this one, is all channels.
    sweeping: bool,
    ticks: u64,
}

impl Rota {
    /// For that many channels, all of them idle.
    pub(super) fn new(channels: usize) -> Self {
        Rota {
            hot: Vec::with_capacity(channels),
            is_hot: vec![false; channels],
            used: vec![0; channels],
            next_hot: 0,
            next: 0,
            left: SLICE.min(channels),
            sweeping: false,
            ticks: 0,
        }
    }

    /// Rounds between two looks at the same idle channel, at most.
    pub(super) fn rounds(&self) -> usize {
        self.is_hot.len().div_ceil(SLICE)
    }

    /// The longest time from one round to the next that keeps every look at an idle channel within `cap` of the last.
    pub(super) fn longest_round(&self, cap: Duration) -> Duration {
        cap / u32::try_from(self.rounds()).unwrap_or(u32::MAX).max(1)
    }

    /// Whether a round is about to begin.
    pub(super) fn is_at_start(&self) -> bool {
        self.next_hot == 0 && self.left == self.slice()
    }

    fn slice(&self) -> usize {
        if self.sweeping { self.is_hot.len() } else { SLICE.min(self.is_hot.len()) }
    }

    /// The next channel of this round; `None` when it is over, and then the next one begins.
    pub(super) fn next(&mut self) -> Option<usize> {
        if let Some(&channel) = self.hot.get(self.next_hot) {
            self.next_hot += 1;
            return Some(channel);
        }
        while self.left > 0 {
            let channel = self.next;
            self.next = if channel + 1 == self.is_hot.len() { 0 } else { channel + 1 };
            self.left -= 1;
            if !self.is_hot[channel] {
                return Some(channel);
            }
        }
        self.next_hot = 0;
        self.sweeping = false;
        self.left = self.slice();
        None
    }

    /// Has this round, or what is left of it, be all channels.
    pub(super) fn sweep(&mut self) {
        self.sweeping = true;
        self.left = self.is_hot.len();
    }

    /// Whether it is in use.
    pub(super) fn is_hot(&self, channel: usize) -> bool {
        self.is_hot[channel]
    }

    /// It was used, or something is under way on it.
    pub(super) fn heat(&mut self, channel: usize) {
        self.used[channel] = self.ticks;
        if !self.is_hot[channel] {
            self.is_hot[channel] = true;
            // With the hot ones of this round looked at, it has its turn right now or in the next.
            if self.next_hot == self.hot.len() {
                self.next_hot += 1;
            }
            self.hot.push(channel);
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self) {
        self.ticks += 1;
    }

    /// The channel whose turn it is was found empty, and nothing is under way on it: unless it was used a moment ago, it is
    /// idle from now on.
    pub(super) fn cool(&mut self, channel: usize) {
        let place = self.next_hot.wrapping_sub(1);
        if self.hot.get(place) == Some(&channel) && self.ticks - self.used[channel] >= WARM {
            self.hot.swap_remove(place);
            self.is_hot[channel] = false;
            // Another one is in its place now.
            self.next_hot = place;
        }
    }

    /// The channels in use.
    pub(super) fn hot(&self) -> &[usize] {
        &self.hot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The channels of one round.
    fn round(rota: &mut Rota) -> Vec<usize> {
        std::iter::from_fn(|| rota.next()).collect()
    }

    #[test]
    fn no_idle_channel_starves_beside_busy_ones() {
        let mut rota = Rota::new(255);
        [3, 250].into_iter().for_each(|channel| rota.heat(channel));
        round(&mut rota);
        let mut looks = vec![0; 255];
        for _ in 0..rota.rounds() {
            let round = round(&mut rota);
            assert!(round.len() <= 2 + SLICE, "{round:?}");
            round.into_iter().for_each(|channel| looks[channel] += 1);
            // They stay in use.
            rota.tick();
            [3, 250].into_iter().for_each(|channel| rota.heat(channel));
        }
        for (channel, looks) in looks.into_iter().enumerate() {
            let expected = if [3, 250].contains(&channel) { rota.rounds() } else { 1 };
            // The last slice reaches over the end.
            assert!((expected..=expected + 1).contains(&looks), "channel {channel}: {looks}");
        }
    }

    #[test]
    fn a_small_region_is_looked_at_whole_in_every_round() {
        let mut rota = Rota::new(15);
        rota.heat(7);
        round(&mut rota);
        for _ in 0..3 {
            let mut round = round(&mut rota);
            assert_eq!(round[0], 7);
            round.sort_unstable();
            assert_eq!(round, Vec::from_iter(0..15));
        }
    }

    #[test]
    fn a_sweep_is_of_all_channels_also_from_the_middle_of_a_round() {
        let mut rota = Rota::new(100);
        rota.heat(40);
        round(&mut rota);
        assert!(rota.is_at_start());
        assert!((0..5).all(|_| rota.next().is_some()));
        assert!(!rota.is_at_start());
        rota.sweep();
        let mut swept = round(&mut rota);
        swept.sort_unstable();
        assert_eq!(swept, Vec::from_iter((0..100).filter(|channel| *channel != 40)));
        assert!(rota.is_at_start());
        assert_eq!(round(&mut rota).len(), 1 + SLICE);
    }

    #[test]
    fn a_channel_is_idle_once_it_was_empty_for_a_while() {
        let mut rota = Rota::new(40);
        [1, 2, 3].into_iter().for_each(|channel| rota.heat(channel));
        round(&mut rota);
        for tick in 0..WARM {
            assert_eq!(rota.hot(), [1, 2, 3], "tick {tick}");
            rota.tick();
            while let Some(channel) = rota.next() {
                if channel == 2 { rota.heat(2) } else { rota.cool(channel) }
            }
        }
        assert_eq!(rota.hot(), [2]);
        assert!(rota.is_hot(2) && !rota.is_hot(1));
        // None was left out when others took their places.
        assert_eq!(round(&mut rota)[0], 2);
    }

    #[test]
    fn the_first_look_at_an_idle_channel_keeps_to_the_cap() {
        let cap = Duration::from_millis(4);
        for channels in [1, 15, 16, 17, 255] {
            let rota = Rota::new(channels);
            let longest = rota.longest_round(cap) * u32::try_from(rota.rounds()).expect("few");
            assert!(longest <= cap && longest > cap / 2, "{channels}: {longest:?}");
        }
    }
}
