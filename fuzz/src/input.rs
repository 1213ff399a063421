//! An input's bytes, taken as what a target needs next: numbers, choices, runs of bytes.
//!
//! Reading never fails: behind the end everything is zero. So every input means something, and one that the fuzzer makes
//! longer or shorter means nearly the same.

/// What is left of an input.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// The whole of an input.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `N` bytes, filled up with zeros.
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// The next two bytes as a little-endian number.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// The next eight bytes as a little-endian number.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// The next `length` bytes, or as many as there are.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    /// Whether the next byte says yes, as one in `n` does.
    pub fn once_in(&mut self, n: u8) -> bool {
        self.byte().is_multiple_of(n)
    }

    /// One of `items`, by the next byte.
    ///
    /// # Panics
    ///
    /// When there are none: a bug of the target's.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::from(self.byte()) % items.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_end_everything_is_zero() {
        let mut input = Input::new(&[1, 2, 3]);
        assert_eq!((input.byte(), input.word(), input.short(), input.byte()), (1, 0x302, 0, 0));
        assert!(input.is_empty() && input.rest().is_empty());
    }
}
