//! Positions in a ring: byte counts that go on from session to session.

/// Positions stay below this. No ring gets there in a thousand years, no sum overflows below it, and the numbers of
/// transfers begin above.
pub const MAX_POSITION: u64 = 1 << 62;

/// Whether a record of a session can begin at `position`: a multiple of 8 below [`MAX_POSITION`].
pub const fn is_position(position: u64) -> bool {
    position.is_multiple_of(8) && position < MAX_POSITION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_aligned_and_far_from_the_end_of_their_words() {
        assert!([0, 8, MAX_POSITION - 8].into_iter().all(is_position));
        assert!(![1, 4, MAX_POSITION - 1, MAX_POSITION, 1 << 63, u64::MAX - 7].into_iter().any(is_position));
    }
}
