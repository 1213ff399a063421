//! The sizes and offsets of one region, computed once or read from a superblock and checked; kept in private memory.

use super::{LINE, PAGE, cell_word, control_word, entry_word};

/// Where one ring lies: offsets in bytes from the region's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingPlace {
    /// Start of the records.
    pub data: u64,
    /// Size of the record area in bytes.
    pub capacity: u64,
    /// The producer's line (`control_word::HINT`, `SPACE_WANT`).
    pub producer: u64,
    /// The consumer's line (`control_word::HEAD`, `SEEN`, `DATA_WANT`).
    pub consumer: u64,
}

/// Where one channel lies: offsets in bytes from the region's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelPlace {
    /// Records from guest to host.
    pub to_host: RingPlace,
    /// Records from host to guest.
    pub to_guest: RingPlace,
    /// The directory entry.
    pub entry: u64,
    /// The host's control block.
    pub host_control: u64,
    /// The guest's control block.
    pub guest_control: u64,
    /// Position at which both rings of a fresh region begin: 128 bytes times the channel's number, so that the headers
    /// a host polls on idle channels do not all fall into the same cache sets.
    pub first_position: u64,
}

/// Why a geometry is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// PCI BARs have power-of-two sizes.
    #[error(
        "region size {size} is not a power of two of at least {min} bytes: choose 1M, 2M, 4M, 8M, 16M, ...",
        min = Geometry::MIN_SIZE
    )]
    Size {
        /// The size asked for or found, in bytes.
        size: u64,
    },
    /// Outside 1 to 255.
    #[error("{channels} channels: choose 1 to {max}", max = Geometry::MAX_CHANNELS)]
    Channels {
        /// The number asked for or found.
        channels: u64,
    },
    /// A ring's capacity is no positive multiple of a page.
    #[error("ring capacity {capacity} is not a positive multiple of {PAGE}")]
    Capacity {
        /// The capacity asked for or found, in bytes.
        capacity: u64,
    },
    /// The rings do not fit.
    #[error(
        "{channels} channels need {needed} bytes and the region has {size}: choose fewer channels or a larger region"
    )]
    TooSmall {
        /// Number of channels.
        channels: u64,
        /// Bytes that they would need.
        needed: u64,
        /// Size of the region in bytes.
        size: u64,
    },
    /// An area's offset is not page-aligned, overlaps the one before it or ends outside the region.
    #[error("{area} at offset {offset:#x} is misplaced")]
    Misplaced {
        /// The area's name.
        area: &'static str,
        /// Its offset as found.
        offset: u64,
    },
}

/// Sizes and offsets of one region. A value of this type is always consistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub(super) size: u64,
    pub(super) channels: u64,
    pub(super) to_host: u64,
    pub(super) to_guest: u64,
    pub(super) status: u64,
    pub(super) cells: u64,
    pub(super) directory: u64,
    pub(super) host_control: u64,
    pub(super) guest_control: u64,
    pub(super) rings: u64,
}

const fn page_up(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE) * PAGE
}

impl Geometry {
    /// Smallest region: what libvirt accepts, 1 MiB.
    pub const MIN_SIZE: u64 = 1 << 20;
    /// Largest region, 1 TiB: keeps every sum below far from overflow.
    pub const MAX_SIZE: u64 = 1 << 40;
    /// Most channels of a region.
    pub const MAX_CHANNELS: u64 = 255;

    /// Geometry with equal rings both ways, as large as the region allows.
    ///
    /// One channel gets all there is. With several, capacities are rounded down to 64 KiB where that leaves anything,
    /// else to a page.
    ///
    /// # Errors
    ///
    /// When the size is no power of two, the number of channels is out of range or they do not fit.
    pub fn new(size: u64, channels: u64) -> Result<Self, GeometryError> {
        let frame = Self::frame(size, channels)?;
        let room = size.saturating_sub(frame.rings) / (2 * channels);
        const STEP: u64 = 64 * 1024;
        let capacity = if channels > 1 && room >= STEP { room / STEP * STEP } else { room / PAGE * PAGE };
        Self::with_capacities(size, channels, capacity.max(PAGE), capacity.max(PAGE))
    }

    /// Geometry with the given capacities, in bytes, of each to-host and each to-guest ring.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and when a capacity is no positive multiple of [`PAGE`].
    pub fn with_capacities(
        size: u64,
        channels: u64,
        to_host: u64,
        to_guest: u64,
    ) -> Result<Self, GeometryError> {
        let geometry = Geometry { to_host, to_guest, ..Self::frame(size, channels)? };
        geometry.check()?;
        Ok(geometry)
    }

    /// Everything but the rings.
    fn frame(size: u64, channels: u64) -> Result<Self, GeometryError> {
        if !size.is_power_of_two() || !(Self::MIN_SIZE..=Self::MAX_SIZE).contains(&size) {
            return Err(GeometryError::Size { size });
        }
        if !(1..=Self::MAX_CHANNELS).contains(&channels) {
            return Err(GeometryError::Channels { channels });
        }
        let status = PAGE;
        let cells = status + PAGE;
        let directory = cells + page_up(cell_word::COUNT * cell_word::SIZE);
        let host_control = directory + page_up(channels * entry_word::SIZE);
        let guest_control = host_control + page_up(channels * control_word::SIZE);
        let rings = guest_control + page_up(channels * control_word::SIZE);
        Ok(Geometry {
            size,
            channels,
            to_host: 0,
            to_guest: 0,
            status,
            cells,
            directory,
            host_control,
            guest_control,
            rings,
        })
    }

    /// Checks every rule; the only way to a `Geometry` is through it.
    pub(super) fn check(&self) -> Result<(), GeometryError> {
        Self::frame(self.size, self.channels)?;
        for capacity in [self.to_host, self.to_guest] {
            if capacity == 0 || !capacity.is_multiple_of(PAGE) || capacity > Self::MAX_SIZE {
                return Err(GeometryError::Capacity { capacity });
            }
        }
        // In range: each factor is bounded above, so no product or sum here can overflow.
        let rings_length = self.channels * (self.to_host + self.to_guest);
        let areas = [
            ("status page", self.status, PAGE),
            ("join cells", self.cells, cell_word::COUNT * cell_word::SIZE),
            ("directory", self.directory, self.channels * entry_word::SIZE),
            ("host control", self.host_control, self.channels * control_word::SIZE),
            ("guest control", self.guest_control, self.channels * control_word::SIZE),
            ("rings", self.rings, rings_length),
        ];
        let mut end = PAGE;
        for (area, offset, length) in areas {
            if !offset.is_multiple_of(PAGE) || offset < end || offset > self.size {
                return Err(GeometryError::Misplaced { area, offset });
            }
            end = offset + page_up(length);
        }
        if end > self.size {
            return Err(GeometryError::TooSmall { channels: self.channels, needed: end, size: self.size });
        }
        Ok(())
    }

    /// Size of the region in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of channels.
    pub fn channels(&self) -> u64 {
        self.channels
    }

    /// Capacity of each to-host ring in bytes.
    pub fn to_host(&self) -> u64 {
        self.to_host
    }

    /// Capacity of each to-guest ring in bytes.
    pub fn to_guest(&self) -> u64 {
        self.to_guest
    }

    /// Offset of the host's status page.
    pub fn status(&self) -> u64 {
        self.status
    }

    /// Offset of the first ring; everything before it is control structures.
    pub fn rings(&self) -> u64 {
        self.rings
    }

    /// Offset of join cell `index`; `None` past the last.
    pub fn cell(&self, index: u64) -> Option<u64> {
        (index < cell_word::COUNT).then(|| self.cells + index * cell_word::SIZE)
    }

    /// Offset of the answer that belongs to join cell `index`; `None` past the last.
    pub fn answer(&self, index: u64) -> Option<u64> {
        use super::status_word::{ANSWER, ANSWERS};
        (index < cell_word::COUNT).then(|| self.status + ANSWERS + index * ANSWER)
    }

    /// Where channel `index` lies; `None` past the last.
    pub fn channel(&self, index: u64) -> Option<ChannelPlace> {
        if index >= self.channels {
            return None;
        }
        let host_control = self.host_control + index * control_word::SIZE;
        let guest_control = self.guest_control + index * control_word::SIZE;
        let rings = self.rings + index * (self.to_host + self.to_guest);
        Some(ChannelPlace {
            to_host: RingPlace {
                data: rings,
                capacity: self.to_host,
                producer: guest_control + control_word::PRODUCER,
                consumer: host_control + control_word::CONSUMER,
            },
            to_guest: RingPlace {
                data: rings + self.to_host,
                capacity: self.to_guest,
                producer: host_control + control_word::PRODUCER,
                consumer: guest_control + control_word::CONSUMER,
            },
            entry: self.directory + index * entry_word::SIZE,
            host_control,
            guest_control,
            first_position: index * LINE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn default_capacities_are_those_of_the_specification() {
        for (size, channels, kib) in
            [(8, 1, 4084), (8, 15, 256), (8, 31, 128), (8, 63, 64), (8, 255, 12), (16, 15, 512)]
        {
            let geometry = Geometry::new(size * MIB, channels).expect("fits");
            assert_eq!(geometry.to_host(), kib * 1024, "{channels} channels in {size} MiB");
            assert_eq!(geometry.to_guest(), geometry.to_host());
        }
    }

    #[test]
    fn asymmetric_capacities_of_the_specification_fit() {
        for (channels, to_host, to_guest) in [(15, 512, 32), (31, 224, 32), (63, 112, 16)] {
            Geometry::with_capacities(8 * MIB, channels, to_host * 1024, to_guest * 1024).expect("fits");
        }
        let error = Geometry::with_capacities(8 * MIB, 15, 512 * 1024, 36 * 1024).expect_err("too large");
        assert!(matches!(error, GeometryError::TooSmall { .. }), "{error}");
    }

    #[test]
    fn impossible_geometries_are_refused_with_the_value() {
        assert_eq!(Geometry::new(6 * MIB, 1), Err(GeometryError::Size { size: 6 * MIB }));
        assert_eq!(Geometry::new(4096, 1), Err(GeometryError::Size { size: 4096 }));
        assert_eq!(Geometry::new(8 * MIB, 0), Err(GeometryError::Channels { channels: 0 }));
        assert_eq!(Geometry::new(8 * MIB, 256), Err(GeometryError::Channels { channels: 256 }));
        assert!(matches!(Geometry::new(MIB, 255), Err(GeometryError::TooSmall { .. })));
        assert!(matches!(
            Geometry::with_capacities(8 * MIB, 1, 4095, 4096),
            Err(GeometryError::Capacity { capacity: 4095 })
        ));
    }

    #[test]
    fn no_two_places_overlap_and_all_lie_inside() {
        for channels in [1, 2, 15, 31, 255] {
            let geometry = Geometry::new(16 * MIB, channels).expect("fits");
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for index in 0..channels {
                let place = geometry.channel(index).expect("in range");
                for (at, length) in [
                    (place.entry, entry_word::SIZE),
                    (place.host_control, control_word::SIZE),
                    (place.guest_control, control_word::SIZE),
                    (place.to_host.data, place.to_host.capacity),
                    (place.to_guest.data, place.to_guest.capacity),
                ] {
                    ranges.push((at, at + length));
                }
            }
            for index in 0..cell_word::COUNT {
                let at = geometry.cell(index).expect("in range");
                ranges.push((at, at + cell_word::SIZE));
            }
            ranges.sort_unstable();
            assert!(ranges[0].0 >= 2 * PAGE);
            assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            assert!(ranges.last().expect("not empty").1 <= geometry.size());
            assert_eq!(geometry.channel(channels), None);
            assert_eq!(geometry.cell(cell_word::COUNT), None);
        }
    }
}
