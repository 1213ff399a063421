//! Words that somebody else writes: any at all, and those that are nearly right.

use ivring_proto::layout::RingPlace;

use crate::Input;

/// A word for a place where `current` stands.
pub fn word(input: &mut Input<'_>, current: u64) -> u64 {
    match input.byte() % 6 {
        0 => input.word(),
        1 => current ^ 1 << (input.byte() % 64),
        2 => current.wrapping_add(u64::from(input.short()) * 8),
        3 => current.wrapping_sub(u64::from(input.short()) * 8),
        4 => u64::from(input.byte()),
        _ => u64::MAX - u64::from(input.byte()),
    }
}

/// A header with the right tag for `position`: of any length and kind.
pub fn header(input: &mut Input<'_>, position: u64, salt: u64) -> u64 {
    let length = match input.byte() % 3 {
        0 => u64::from(input.byte()),
        1 => u64::from(input.short()),
        _ => input.word() & 0xffff_ffff,
    };
    let kind = u64::from(input.byte());
    length | kind << 32 | (((position / 8) ^ salt) & 0xff_ffff) << 40
}

/// A word of a ring and its lines, and what somebody else writes there. `ends` are the positions at which its two sides are.
pub fn in_ring(
    input: &mut Input<'_>,
    place: &RingPlace,
    salt: u64,
    ends: [u64; 2],
    look: impl Fn(u64) -> u64,
) -> (u64, u64) {
    use ivring_proto::layout::control_word::{HEAD, HINT, SEEN, SEEN_IN_1_0};
    let data = |position: u64| place.data + position % place.capacity / 8 * 8;
    let kind = input.byte() % 8;
    let at = match kind {
        0 => place.producer + HINT,
        1 => place.consumer + HEAD,
        2 => place.consumer + SEEN,
        3 => place.consumer + SEEN_IN_1_0,
        4 => data(u64::from(input.short()) * 8),
        5 | 6 => data(ends[usize::from(kind == 6)]),
        _ => {
            let position = ends[1].wrapping_add(u64::from(input.short()) * 8);
            return (data(position), header(input, position, salt));
        }
    };
    let value = if kind == 5 || kind == 6 {
        header(input, ends[usize::from(kind == 6)], salt)
    } else {
        word(input, look(at))
    };
    (at, value)
}
