//! The lock-free ring of records between one producer and one consumer.
//!
//! A record is an 8-byte header and a payload, rounded up to 8 bytes. The consumer polls the header at its own position:
//! while that is zero there is nothing, and once it is not, the whole record is there. So a message costs one cache miss,
//! and nobody reads the other's counters while there are both records and space.
//!
//! ```text
//! header    length 32 | kind 8 | tag 24      length counts the header; tag = (position / 8) ^ salt
//! order     zero after the batch's last record, payload, later headers, first header (release), hint
//! space     records + paddings + 8 <= capacity - (position - head)
//! ```
//!
//! Positions are byte counts that never go back; a position's place in the ring is kept beside it, so the capacity need
//! not be a power of two. What the other side wrote is read once and checked; the first thing that cannot be right is a
//! [`Fault`], and from then on every call returns it and the memory is left alone.
//!
//! Neither end needs a buffer: a [`Claim`] is filled in place, a [`View`] gives out what is asked for. Neither is a slice, for
//! the other side may write the same bytes.
//!
//! Both ends survive a crash at any store: [`Producer::recover`] finds what its predecessor had published,
//! [`Consumer::resume`] delivers again what may have been delivered, marked so.

mod claim;
mod class;
mod consumer;
mod fault;
mod header;
mod lane;
mod producer;
mod record;
mod view;
mod walk;

pub use claim::Claim;
pub use class::Class;
pub use consumer::{Consumer, handed_over};
pub use fault::Fault;
pub use header::{HEADER, PADDING};
pub use producer::{Producer, PushError};
pub use record::Record;
pub use view::{Chunks, View};
pub use walk::walk;
