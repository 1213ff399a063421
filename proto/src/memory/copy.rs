//! Bulk copies between shared and private memory.
//!
//! The other side may write the shared bytes while they are copied. A plain copy would then be a data race, undefined in
//! Rust's memory model whatever the processor does; relaxed atomic loops are defined but four times slower from 1 KiB up.
//! On x86-64 the copies are therefore inline assembly: the compiler sees neither the instructions nor a race, and the
//! processor's own model, which knows no undefined behaviour, applies. Elsewhere, and under Miri, words are copied by
//! relaxed atomics.
//!
//! Ordering against the header that publishes the bytes: string instructions may store in any order within themselves,
//! but are not reordered with other stores (Intel SDM volume 3, section 9.2.4.1), so a later release store stays behind.

#[cfg(any(test, miri, not(target_arch = "x86_64")))]
mod word_loop;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64;

#[cfg(any(miri, not(target_arch = "x86_64")))]
pub(super) use word_loop::{copy_in, copy_out};
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) use x86_64::{copy_in, copy_out};

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    type CopyIn = unsafe fn(*mut u8, &[u8]);
    type CopyOut = unsafe fn(*const u8, &mut [u8]);

    /// Copies in and out at every length up to 300 and every misalignment of either end, with guard bytes around both.
    fn check(copy_in: CopyIn, copy_out: CopyOut) {
        const GUARD: usize = 32;
        let lengths = if cfg!(miri) { 0..=40_usize } else { 0..=300_usize };
        let shared: Vec<AtomicU64> = (0..64).map(|_| AtomicU64::new(0)).collect();
        let base = shared.as_ptr().cast::<u8>().cast_mut();
        for length in lengths {
            for (at, private) in [(0, 0), (1, 0), (0, 1), (3, 7), (7, 3), (8, 5)] {
                shared.iter().for_each(|word| word.store(u64::from_le_bytes([0xee; 8]), Relaxed));
                let pattern: Vec<u8> = (0..length + 8).map(|i| u8::try_from(i % 251).unwrap()).collect();
                // SAFETY: GUARD + 8 + 300 bytes are less than the 512 of `shared`.
                let place = unsafe { base.add(GUARD + at) };
                // SAFETY: `place` is followed by at least 512 - GUARD - 8 bytes that are only accessed atomically.
                unsafe { copy_in(place, &pattern[private..private + length]) };
                let bytes: Vec<u8> =
                    shared.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
                assert_eq!(&bytes[GUARD + at..GUARD + at + length], &pattern[private..private + length]);
                assert!(bytes[..GUARD + at].iter().all(|byte| *byte == 0xee), "wrote before the range");
                assert!(
                    bytes[GUARD + at + length..].iter().all(|byte| *byte == 0xee),
                    "wrote behind the range"
                );

                let mut out = vec![0xdd_u8; GUARD + private + length + GUARD];
                let into = &mut out[GUARD + private..GUARD + private + length];
                // SAFETY: as for `copy_in`.
                unsafe { copy_out(place, into) };
                assert_eq!(into, &pattern[private..private + length]);
                assert!(out[..GUARD + private].iter().all(|byte| *byte == 0xdd));
                assert!(out[GUARD + private + length..].iter().all(|byte| *byte == 0xdd));
            }
        }
    }

    #[test]
    fn every_length_and_alignment() {
        check(super::copy_in, super::copy_out);
    }

    #[test]
    fn the_portable_routines_copy_the_same() {
        check(super::word_loop::copy_in, super::word_loop::copy_out);
    }
}
