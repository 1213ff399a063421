//! The size of a region: a power of two of at least one MiB.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const MIB: u64 = 1 << 20;

/// The size of a region in whole MiB, a power of two.
///
/// A PCI BAR can have no other size, and libvirt takes nothing below one MiB. QEMU itself does not refuse a wrong size:
/// it aborts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    mib: u64,
}

/// Why a text or a number is not the size of a region.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// The text is not a number with an optional unit.
    #[error("{0:?} is no size: write a number with K, M or G, such as 8M")]
    NotASize(String),
    /// Less than one MiB.
    #[error("a size of {0} bytes is too small: a region has at least 1M ({MIB} bytes)")]
    TooSmall(u64),
    /// Not a power of two.
    #[error("a size of {bytes} bytes is no power of two, as a PCI BAR must be: take {below} or {above}")]
    NoPowerOfTwo {
        /// The size that was asked for.
        bytes: u64,
        /// The next power of two below it.
        below: Size,
        /// The next power of two above it.
        above: Size,
    },
}

impl Size {
    /// The size of the smallest region.
    pub const SMALLEST: Self = Self { mib: 1 };

    /// The size of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`SizeError::TooSmall`] and [`SizeError::NoPowerOfTwo`].
    pub fn from_bytes(bytes: u64) -> Result<Self, SizeError> {
        if bytes < MIB {
            return Err(SizeError::TooSmall(bytes));
        }
        let mib = bytes / MIB;
        if bytes.is_power_of_two() {
            return Ok(Self { mib });
        }
        // `mib` is at most 2^44, so neither shift nor doubling overflows.
        let below = 1 << mib.ilog2();
        Err(SizeError::NoPowerOfTwo { bytes, below: Self { mib: below }, above: Self { mib: below * 2 } })
    }

    /// The size in MiB.
    #[must_use]
    pub fn mib(self) -> u64 {
        self.mib
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.mib * MIB
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// Reads a number of bytes, or one with the unit `K`, `M` or `G` (also `KiB`, `MiB`, `GiB`; powers of 1024).
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let not_a_size = || SizeError::NotASize(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit {
            "" => 1,
            "K" | "k" | "KiB" => 1 << 10,
            "M" | "m" | "MiB" => MIB,
            "G" | "g" | "GiB" => 1 << 30,
            _ => return Err(not_a_size()),
        };
        let number: u64 = number.parse().map_err(|_| not_a_size())?;
        Self::from_bytes(number.checked_mul(factor).ok_or_else(not_a_size)?)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.mib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        for text in ["8M", "8m", "8MiB", "8192K", "8388608"] {
            assert_eq!(text.parse::<Size>().unwrap().bytes(), 8 << 20, "{text}");
        }
        assert_eq!("1G".parse::<Size>().unwrap().mib(), 1024);
    }

    #[test]
    fn what_is_no_size_is_named() {
        for text in ["", "M", "8MB", "-8M", "8 M", "8.0M", "99999999999999999999", "18446744073709551615G"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::NotASize(text.to_owned())));
        }
    }

    #[test]
    fn a_wrong_size_names_the_two_beside_it() {
        let error = "6M".parse::<Size>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a size of 6291456 bytes is no power of two, as a PCI BAR must be: take 4M or 8M"
        );
        assert_eq!("512K".parse::<Size>(), Err(SizeError::TooSmall(512 << 10)));
        assert_eq!(
            Size::from_bytes((8 << 20) + 1).unwrap_err().to_string().split(": ").nth(1),
            Some("take 8M or 16M")
        );
        assert!(Size::from_bytes(u64::MAX).is_err());
    }
}
