//! Plain values as payloads: any type without padding or pointers, as its own bytes.

use bytemuck::AnyBitPattern;

/// A payload that is no value of the type asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {found} bytes is no value of {expected} bytes")]
pub struct WrongSize {
    /// Bytes of the payload.
    pub found: usize,
    /// Bytes of the type.
    pub expected: usize,
}

/// Reads the value that a payload is. Both sides run on one machine, so bytes are in its order; the layout of the type,
/// `#[repr(C)]`, is what the two programs must agree on.
///
/// ```
/// use ivring_proto::bytemuck::{self, Pod, Zeroable};
/// use ivring_proto::link::value;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
/// #[bytemuck(crate = "ivring_proto::bytemuck")]
/// #[repr(C)]
/// struct Load {
///     one_minute: f32,
///     tasks: u32,
/// }
///
/// let load = Load { one_minute: 0.5, tasks: 7 };
/// assert_eq!(value::<Load>(bytemuck::bytes_of(&load)), Ok(load));
/// assert!(value::<Load>(b"seven").is_err());
/// ```
///
/// # Errors
///
/// [`WrongSize`] when the payload has another length than the type.
pub fn value<T: AnyBitPattern>(payload: &[u8]) -> Result<T, WrongSize> {
    let wrong = WrongSize { found: payload.len(), expected: size_of::<T>() };
    bytemuck::try_pod_read_unaligned(payload).map_err(|_| wrong)
}
