//! The `resource` file of a device: start, end and flags of each BAR.

/// `IORESOURCE_MEM` of Linux's include/linux/ioport.h: the BAR is memory, not I/O ports.
const MEMORY: u64 = 0x200;
/// `IORESOURCE_PREFETCH`.
const PREFETCHABLE: u64 = 0x2000;
/// `IORESOURCE_UNSET`: the kernel found no room for the BAR on the bus.
const UNSET: u64 = 0x2000_0000;
/// A BAR that the device does not have.
const NONE: Resource = Resource { start: 0, size: 0, flags: 0 };

/// Number of BARs that a device can have.
pub const BARS: usize = 6;

/// One BAR: an address range and what kind of range it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    start: u64,
    size: u64,
    flags: u64,
}

impl Resource {
    /// Size in bytes; 0 when the device has no such BAR.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// First address on the bus.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Whether it is memory (and not I/O ports).
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.flags & MEMORY != 0
    }

    /// Whether reads of it have no side effects, so that it may be mapped write-combining.
    #[must_use]
    pub fn is_prefetchable(&self) -> bool {
        self.flags & PREFETCHABLE != 0
    }

    /// Whether the kernel knows of no such BAR.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        *self == NONE
    }

    /// Whether it has an address on the bus, without which it can't be mapped.
    #[must_use]
    pub fn is_assigned(&self) -> bool {
        self.flags & UNSET == 0
    }
}

/// Reads the first six lines, the BARs; lines that are missing or odd count as BARs that don't exist.
pub(super) fn parse(text: &str) -> [Resource; BARS] {
    let mut bars = [NONE; BARS];
    for (bar, line) in bars.iter_mut().zip(text.lines()) {
        *bar = parse_line(line).unwrap_or(NONE);
    }
    bars
}

fn parse_line(line: &str) -> Option<Resource> {
    let mut numbers = line.split_ascii_whitespace().map(super::hexadecimal);
    let (start, end, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if flags == 0 {
        return Some(NONE);
    }
    // The end is the last byte's address. `checked_add` fails for the whole address space only.
    let size = end.checked_sub(start)?.checked_add(1)?;
    Some(Resource { start, size, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IVSHMEM: &str = "\
0x00000000febf1000 0x00000000febf10ff 0x0000000000040200
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x00000000fe000000 0x00000000fe7fffff 0x000000000014220c
";

    #[test]
    fn reads_the_bars_of_an_ivshmem_device() {
        let bars = parse(IVSHMEM);
        assert_eq!(bars[0].size(), 256);
        assert_eq!(bars[1], NONE);
        assert_eq!((bars[2].size(), bars[2].start()), (8 << 20, 0xfe00_0000));
        assert!(bars[2].is_memory() && bars[2].is_prefetchable() && bars[2].is_assigned());
        assert!(!bars[0].is_prefetchable());
        assert_eq!(bars[3..], [NONE; 3]);
    }

    #[test]
    fn a_bar_without_an_address_is_told() {
        let bars = parse("0x0 0x7fffff 0x2014220c\n");
        assert_eq!(bars[0].size(), 8 << 20);
        assert!(!bars[0].is_assigned());
    }

    #[test]
    fn odd_lines_are_no_bars() {
        for text in [
            "",
            "\n\n\n",
            "0x10 0x0f 0x200",
            "0x0 0xffffffffffffffff 0x200",
            "0x0 0x1ffffffffffffffff 0x200",
            "zero one two",
            "0x0 0xfff",
            "-1 0xfff 0x200",
            "\u{0}\u{fffd}",
        ] {
            assert_eq!(parse(text), [NONE; BARS], "{text:?}");
        }
        // More lines than BARs: the rest are the expansion ROM and bridge windows.
        assert_eq!(parse(&"0x1000 0x1fff 0x200\n".repeat(20)).len(), BARS);
    }
}
