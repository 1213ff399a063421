//! The wrong values that are tried for a word.

/// A value and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    /// In words.
    pub what: &'static str,
    /// The value.
    pub value: u64,
}

/// What is known of a word.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// Its value.
    pub now: u64,
    /// A value that it had before.
    pub earlier: u64,
    /// The value of the same word of another channel.
    pub anothers: u64,
}

impl Truth {
    /// Every kind of lie: 0, the largest, one and a word to either side, what was true earlier (stale, rewound, replayed),
    /// halves of two values (torn), and what is true elsewhere. None is what is true.
    pub fn lies(&self) -> Vec<Lie> {
        let Truth { now, earlier, anothers } = *self;
        let low = |word: u64| word & 0xffff_ffff;
        let high = |word: u64| word & !0xffff_ffff;
        let lies = [
            ("zero", 0),
            ("the largest", u64::MAX),
            ("the largest multiple of 8", u64::MAX - 7),
            ("one more", now.wrapping_add(1)),
            ("one less", now.wrapping_sub(1)),
            ("a word more", now.wrapping_add(8)),
            ("a word less", now.wrapping_sub(8)),
            ("an earlier one", earlier),
            ("its low half alone", low(now)),
            ("its high half alone", high(now)),
            ("torn: a new low half", high(!now) | low(now)),
            ("torn: a new high half", high(now) | low(!now)),
            ("another channel's", anothers),
        ];
        let mut tried: Vec<Lie> = Vec::new();
        for (what, value) in lies {
            if value != now && tried.iter().all(|lie| lie.value != value) {
                tried.push(Lie { what, value });
            }
        }
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lie_is_true_and_none_is_told_twice() {
        for now in [0, 1, 8, u64::MAX, 0x1234_5678_9abc_def0] {
            let lies = Truth { now, earlier: 8, anothers: 0 }.lies();
            assert!(lies.iter().all(|lie| lie.value != now), "{lies:?}");
            for (index, lie) in lies.iter().enumerate() {
                assert!(lies[index + 1..].iter().all(|other| other.value != lie.value), "{lies:?}");
            }
        }
    }
}
