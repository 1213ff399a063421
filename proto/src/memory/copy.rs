//! Bulk copies between shared and private memory.
//!
//! The other side may write the shared bytes while they are copied. A plain copy would then be a data race, undefined in
//! Rust's memory model whatever the processor does; relaxed atomic loops are defined but five times slower from 1 KiB up.
//! On x86-64 the copies are therefore inline assembly: the compiler sees neither the instructions nor a race, and the
//! processor's own model, which knows no undefined behaviour, applies. Elsewhere, and under Miri, words are copied by
//! relaxed atomics.
//!
//! Which of them copies is chosen by the memory's type, the length and the processor: see [`CopyRoutine`].
//!
//! Ordering against the header that publishes the bytes: vector stores to cached and uncached memory are ordered like any
//! others, and string instructions may store in any order within themselves, but are not reordered with other stores
//! (Intel SDM volume 3, section 9.2.4.1): a later release store stays behind. Non-temporal stores do not; they are for
//! write-combining memory alone, where the fence points are real.

#[cfg(any(not(all(target_arch = "x86_64", target_feature = "sse2")), miri))]
mod portable;
mod routine;
mod word_loop;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
mod x86_64;

use super::MemoryType;
pub(super) use platform::{copy_in, copy_out, prefetch_write};
#[cfg(feature = "std")]
pub(super) use platform::{copy_in_by, copy_out_by, is_emulated};
#[cfg(any(not(all(target_arch = "x86_64", target_feature = "sse2")), miri))]
use portable as platform;
pub use routine::CopyRoutine;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
use x86_64 as platform;

#[cfg(test)]
mod tests;
