//! Random words that can be had again.

use std::io;

use crate::witness::{mixed, random};

/// A source of random words; the same seed gives the same ones.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// A seed from the kernel.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub fn seed() -> io::Result<u64> {
        random()
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(mixed(self.0))
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.word() % limit.max(1)
    }

    /// An index into `length` things, of which there is one at least.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_words_and_another_gives_others() {
        let words = |seed| {
            let mut dice = Dice::new(seed);
            std::array::from_fn::<_, 8, _>(|_| dice.word())
        };
        assert_eq!(words(1), words(1));
        assert!(words(1).iter().all(|word| !words(2).contains(word)));
        assert_eq!(Dice::new(3).below(1), 0);
    }
}
