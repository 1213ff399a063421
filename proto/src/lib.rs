//! The ivring protocol: messaging between a KVM/QEMU host and its virtual machines over one shared memory region.
//!
//! The crate holds all that both sides must agree on, in layers that depend downwards only:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`layout`] | where everything lies in the region, as named offsets |
//! | [`memory`] | the one place with raw pointers: words and bytes by offset |
//! | [`ring`] | the lock-free single-producer single-consumer ring of records |
//! | [`session`] | join, echo, confirm, heartbeat: who owns which channel |
//! | [`link`] | messages on topics over one channel's two rings |
//!
//! Nothing in these layers blocks, waits or reads a clock: callers pass the time and randomness in. Without the default
//! feature `std` the crate is `no_std` and never allocates; with it come mapped files and `wait`, how pollers wait, and
//! with `control` the local control socket of daemon and agent, and `console`, what the commands that use it share. The
//! normative text is `docs/protocol.md`; `§` means its clauses.
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "control")]
pub mod check;
#[cfg(feature = "control")]
pub mod console;
#[cfg(feature = "control")]
pub mod control;
pub mod layout;
pub mod link;
pub mod memory;
pub mod ring;
pub mod session;
#[cfg(feature = "std")]
pub mod wait;

// Values that travel as themselves implement its traits: the same version is to be used.
pub use bytemuck;
