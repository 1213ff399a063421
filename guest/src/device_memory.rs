//! A device's memory, mapped as fits it: what reading shows decides, unless an option does.

use std::sync::Arc;

use ivring_proto::layout::{read_superblock_of, superblock_word};
use ivring_proto::memory::{Memory, MemoryType, MixedMapping, Probe};

use crate::bar::{Bar, BarError};
use crate::memory_type::{MappedAs, MemoryChoice, Reason};

/// The memory of a device, mapped. Clones mean the same mapping.
#[derive(Debug, Clone)]
pub struct DeviceMemory {
    bar: Arc<Bar>,
    mapped_as: MappedAs,
    mapping: MixedMapping,
    extent: Extent,
}

/// What of the memory is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it, in one way.
    Whole,
    /// The first page: it is not known yet where the rings begin.
    FirstPage,
    /// All of it, write-combining from here on.
    SplitAt(u64),
}

impl DeviceMemory {
    /// Maps the memory behind `bar` as it was chosen. `probe` measures how fast it is to read: [`Probe::of`].
    ///
    /// Where the rings shall be write-combining and the region is not formatted yet, only its first page is mapped: see
    /// [`reshaped`](Self::reshaped).
    ///
    /// # Errors
    ///
    /// [`BarError`].
    pub fn map(
        bar: Bar,
        choice: MemoryChoice,
        probe: impl Fn(&MixedMapping) -> Probe,
    ) -> Result<Self, BarError> {
        // First, for a page that is mapped uncached would have that type here too.
        if matches!(choice, MemoryChoice::Auto | MemoryChoice::WriteBack)
            && let Some(mapping) = bar.map_cached()?
        {
            let probed = probe(&mapping);
            if choice == MemoryChoice::WriteBack || probed.is_cached() {
                let reason = if choice == MemoryChoice::Auto { Reason::Measured } else { Reason::Option };
                let mapped_as = MappedAs { memory_type: MemoryType::WriteBack, reason, probe: Some(probed) };
                return Ok(DeviceMemory { bar: Arc::new(bar), mapped_as, mapping, extent: Extent::Whole });
            }
        }
        let page = bar.map_first_page()?;
        let probed = probe(&page);
        let (memory_type, reason) = match choice {
            MemoryChoice::WriteBack => (MemoryType::WriteBack, Reason::Option),
            MemoryChoice::Uncached => (MemoryType::Uncached, Reason::Option),
            MemoryChoice::WriteCombining => (MemoryType::WriteCombining, Reason::Option),
            MemoryChoice::Auto if probed.is_cached() => (MemoryType::WriteBack, Reason::Measured),
            MemoryChoice::Auto if bar.can_combine() => (MemoryType::WriteCombining, Reason::Measured),
            MemoryChoice::Auto => (MemoryType::Uncached, Reason::NothingElse),
        };
        let mapped_as = MappedAs { memory_type, reason, probe: Some(probed) };
        if memory_type == MemoryType::WriteCombining {
            let bar = Arc::new(bar);
            let waiting = DeviceMemory { bar, mapped_as, mapping: page, extent: Extent::FirstPage };
            return Ok(waiting.reshaped()?.unwrap_or(waiting));
        }
        drop(page);
        let mapping = bar.map(memory_type)?;
        Ok(DeviceMemory { bar: Arc::new(bar), mapped_as, mapping, extent: Extent::Whole })
    }

    /// The mapping that is to take this one's place, where the rings begin elsewhere than when it was made: all of the memory
    /// when they are known at last, the first page when they have moved. One cannot be made beside the other: that page would
    /// have two types, or others of its pages.
    ///
    /// # Errors
    ///
    /// [`BarError`]; this mapping is as good as before.
    pub fn reshaped(&self) -> Result<Option<Self>, BarError> {
        let (mapping, extent) = match self.extent {
            Extent::Whole => return Ok(None),
            Extent::SplitAt(rings) if self.mapping.load(superblock_word::RINGS) == rings => return Ok(None),
            Extent::SplitAt(_) => (self.bar.map_first_page()?, Extent::FirstPage),
            Extent::FirstPage => {
                let Some(rings) = self.rings() else { return Ok(None) };
                (self.bar.map_combining(rings)?, Extent::SplitAt(rings))
            }
        };
        Ok(Some(DeviceMemory { bar: Arc::clone(&self.bar), mapped_as: self.mapped_as, mapping, extent }))
    }

    /// Where the rings begin in the region, once it is formatted.
    fn rings(&self) -> Option<u64> {
        let superblock = read_superblock_of(&self.mapping, self.bar.size()).ok()?;
        Some(superblock.geometry.rings())
    }

    /// What is mapped.
    #[must_use]
    pub fn mapping(&self) -> &MixedMapping {
        &self.mapping
    }

    /// How it is mapped, and why.
    #[must_use]
    pub fn mapped_as(&self) -> &MappedAs {
        &self.mapped_as
    }

    /// The BAR.
    #[must_use]
    pub fn bar(&self) -> &Bar {
        &self.bar
    }
}
