//! Every routine at every length and alignment, beside pages that cannot be accessed and bytes that must stay.

use super::{CopyRoutine, MemoryType, copy_in, copy_in_by, copy_out, copy_out_by};
use guarded::{Guarded, ROOM};

pub(super) type CopyIn = unsafe fn(*mut u8, &[u8]);
pub(super) type CopyOut = unsafe fn(*const u8, &mut [u8]);

const LONGEST: usize = if cfg!(miri) { 40 } else { 4200 };
/// More than these there are not for the widest access.
const ALIGNMENTS: usize = if cfg!(miri) { 8 } else { 32 };
/// Bytes looked at on either side of a copy.
const BESIDE: usize = 64;

/// Copies in and out at every length, with the shared bytes at every alignment: beside the page in front of them and beside
/// the page behind, in turns where they are many. The private bytes are at distances that vary.
pub(super) fn check(copy_in: CopyIn, copy_out: CopyOut) {
    let pattern: Vec<u8> = (0..ROOM).map(|i| (i * 7 + i / 251).to_le_bytes()[0]).collect();
    let (shared, private) = (Guarded::new(), Guarded::new());
    for length in 0..=LONGEST {
        for distance in 0..ALIGNMENTS {
            let other = (distance * 5 + length * 3) % ALIGNMENTS;
            let ends = [(distance, ROOM - length - other), (ROOM - length - distance, other)];
            let both = length <= 300;
            for (at, private_at) in
                ends.into_iter().skip(usize::from(!both) * (length & 1)).take(1 + usize::from(both))
            {
                private.bytes(private_at, length).copy_from_slice(&pattern[..length]);
                // SAFETY: the bytes are accessible, and nobody else knows them.
                unsafe { copy_in(shared.bytes(at, length).as_mut_ptr(), private.bytes(private_at, length)) };
                shared.expect_only(at, &pattern[..length]);
                private.fill(private_at, length);
                // SAFETY: as above.
                unsafe { copy_out(shared.bytes(at, length).as_ptr(), private.bytes(private_at, length)) };
                private.expect_only(private_at, &pattern[..length]);
                private.fill(private_at, length);
                shared.fill(at, length);
            }
        }
    }
}

macro_rules! every_length_and_alignment {
    ($($name:ident: $routine:ident;)*) => {$(
        #[test]
        fn $name() {
            const ROUTINE: CopyRoutine = CopyRoutine::$routine;
            if !ROUTINE.is_available() {
                // Nothing that chooses by itself may use it here.
                assert!(KINDS.iter().all(|kind| CopyRoutine::of(*kind, 1 << 20) != ROUTINE));
                eprintln!("not tested: this machine cannot copy by {ROUTINE}");
                return;
            }
            check(
                // SAFETY: the caller's contract is the same, and the routine is available.
                |shared, from| unsafe { copy_in_by(ROUTINE, shared, from) },
                // SAFETY: as above.
                |shared, into| unsafe { copy_out_by(ROUTINE, shared, into) },
            );
        }
    )*};
}

every_length_and_alignment! {
    words: Words;
    sse2: Sse2;
    avx2: Avx2;
    rep_movsb: RepMovsb;
    blocks: Blocks;
    streaming: Streaming;
}

const KINDS: [MemoryType; 3] = [MemoryType::WriteBack, MemoryType::Uncached, MemoryType::WriteCombining];

#[test]
fn what_is_chosen_copies_and_is_available() {
    check(
        // SAFETY: the caller's contract is the same.
        |shared, from| unsafe { copy_in(KINDS[0], shared, from) },
        // SAFETY: the caller's contract is the same.
        |shared, into| unsafe { copy_out(KINDS[0], shared, into) },
    );
    for kind in KINDS {
        for length in [129, 4 << 10, 16 << 10, 1 << 20] {
            assert!(CopyRoutine::of(kind, length).is_available(), "{length} bytes of {kind} memory");
        }
    }
}

/// Memory of two pages between two that cannot be accessed.
mod guarded {
    use std::{ptr::NonNull, slice};

    use super::BESIDE;

    /// Bytes that can be accessed.
    pub(super) const ROOM: usize = 2 * 4096;
    /// What they hold where nothing was copied.
    const UNTOUCHED: u8 = 0xee;

    pub(super) struct Guarded(NonNull<u8>);

    impl Guarded {
        #[cfg(not(miri))]
        pub(super) fn new() -> Self {
            use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
            use std::num::NonZeroUsize;
            let (guard, all) = (4096, NonZeroUsize::new(ROOM + 2 * 4096).unwrap());
            // SAFETY: a new mapping at an address of the system's choice.
            let base =
                unsafe { mmap_anonymous(None, all, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) }.unwrap();
            // SAFETY: inside the mapping.
            let room = unsafe { base.byte_add(guard) };
            // SAFETY: pages of the mapping, which nothing refers to.
            unsafe { mprotect(room, ROOM, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE) }.unwrap();
            Self::of(room.cast())
        }

        #[cfg(miri)]
        pub(super) fn new() -> Self {
            let words = Vec::leak(vec![0_u128; ROOM / 16]);
            Self::of(NonNull::from(words).cast())
        }

        fn of(room: NonNull<u8>) -> Self {
            let guarded = Self(room);
            guarded.bytes(0, ROOM).fill(UNTOUCHED);
            guarded
        }

        /// `length` bytes at `at`.
        #[allow(clippy::mut_from_ref, reason = "each use ends before the next one begins")]
        pub(super) fn bytes(&self, at: usize, length: usize) -> &mut [u8] {
            assert!(at + length <= ROOM);
            // SAFETY: inside the room.
            let start = unsafe { self.0.add(at) };
            // SAFETY: the room is never unmapped, and each reference is used up before the next one is made.
            unsafe { slice::from_raw_parts_mut(start.as_ptr(), length) }
        }

        pub(super) fn fill(&self, at: usize, length: usize) {
            self.bytes(at, length).fill(UNTOUCHED);
        }

        /// The bytes at `at` are these, and those beside them untouched.
        pub(super) fn expect_only(&self, at: usize, expected: &[u8]) {
            let end = at + expected.len();
            assert!(self.bytes(at, expected.len()) == expected, "{} bytes at {at} are wrong", expected.len());
            let (before, behind) = (at.min(BESIDE), (ROOM - end).min(BESIDE));
            let untouched = |at, length| self.bytes(at, length) == &[UNTOUCHED; BESIDE][..length];
            assert!(untouched(at - before, before), "wrote before {at}");
            assert!(untouched(end, behind), "wrote behind {end}");
        }
    }
}
