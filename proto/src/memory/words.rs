//! Byte copies for memories that know only words.

/// Splits `length` bytes at `at` into words: the word's offset, where in the word the bytes start, and how many.
fn pieces(at: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let lead = usize::from(at.to_le_bytes()[0] & 7);
    let first = at - lead as u64;
    let end = lead + length;
    (0..end.div_ceil(8)).map(move |word| {
        let start = if word == 0 { lead } else { 0 };
        (first + word as u64 * 8, start, (end - word * 8).min(8) - start)
    })
}

/// Copies `from` to the bytes at `at`, a store a word; words covered in part are loaded first.
pub(super) fn copy_in(at: u64, from: &[u8], load: impl Fn(u64) -> u64, store: impl Fn(u64, u64)) {
    let mut rest = from;
    for (word, start, length) in pieces(at, from.len()) {
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        let mut bytes = if length == 8 { [0; 8] } else { load(word).to_le_bytes() };
        bytes[start..start + length].copy_from_slice(piece);
        store(word, u64::from_le_bytes(bytes));
    }
}

/// Fills `into` from the bytes at `at`, a load a word.
pub(super) fn copy_out(at: u64, into: &mut [u8], load: impl Fn(u64) -> u64) {
    let mut rest = into;
    let length = rest.len();
    for (word, start, length) in pieces(at, length) {
        let (piece, behind) = rest.split_at_mut(length);
        rest = behind;
        piece.copy_from_slice(&load(word).to_le_bytes()[start..start + length]);
    }
}
