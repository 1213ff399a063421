//! What a hostile peer can write, word by word: one test a field of every shared structure.
//!
//! A [`MaliciousPeer`](ivring_lab::malicious_peer::MaliciousPeer) writes 0, the largest value, one more and less, what was true
//! earlier or elsewhere, and halves of values, into each word of docs/protocol.md §2, §3.1, §5.1 and §7. Whoever reads the
//! word either has no use for it, or names field and value in an error, ends that one session, and the same guest comes back
//! by joining anew. All the while neighbours send numbered messages, and nothing of them is lost.
//!
//! `world` is a real host with real guests in one thread, for all that needs no time; `clockwork` the ends of the channels
//! alone, with a clock of the test's own, for what takes seconds.

mod clockwork;
mod control_block;
mod directory;
mod envelope;
mod fragment;
mod guest_control;
mod host_control;
mod host_restart;
mod join_cell;
mod record_header;
mod rewritten;
mod status_page;
mod superblock;
mod transfer_end;
mod world;
