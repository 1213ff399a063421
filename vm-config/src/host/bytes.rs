//! Numbers of bytes for people.

const MIB: u64 = 1 << 20;

/// `bytes` in MiB where they are whole ones, else as they are.
pub(super) fn amount(bytes: u64) -> String {
    if bytes > 0 && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

/// `bytes` in whole MiB, what is left over not told.
pub(super) fn about(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}

/// The MiB that hold `bytes`.
pub(super) fn mib_for(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_mib_are_told_as_such() {
        assert_eq!(amount(8 << 20), "8 MiB");
        assert_eq!(amount((8 << 20) + 1), "8388609 bytes");
        assert_eq!(amount(0), "0 bytes");
        assert_eq!(about((3 << 20) - 1), "2 MiB");
        assert_eq!(mib_for((3 << 20) - 1), 3);
    }
}
