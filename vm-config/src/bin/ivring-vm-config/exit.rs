//! The exit codes of the command.

/// A check found something to change.
pub const WOULD_CHANGE: u8 = 1;
/// A question was answered with no.
pub const NEGATIVE: u8 = 1;
/// The options do not go together.
pub const USAGE: u8 = 2;
/// A domain was refused.
pub const REFUSED: u8 = 3;
/// An input that is no domain, or a name or size that cannot be used.
pub const BAD_INPUT: u8 = 4;
/// Reading or writing, or libvirt, failed.
pub const IO_FAILED: u8 = 5;
/// Done, and something is still pending.
pub const PENDING: u8 = 6;
