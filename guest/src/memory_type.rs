//! The memory type of a guest's mapping: what is asked for, what was found, and what to do about it.

use std::fmt;
use std::str::FromStr;

use ivring_proto::memory::{MemoryType, Probe};
use ivring_proto::session::Caching;

/// How the BAR is to be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryChoice {
    /// As reading it shows: write-back where reads come from the caches, else control pages uncached and rings
    /// write-combining, else uncached. A region's file is write-back.
    #[default]
    Auto,
    /// As write-back memory, whatever it is. Right everywhere, and slow where it is uncached in effect.
    WriteBack,
    /// Uncached.
    Uncached,
    /// Control pages uncached, rings write-combining. Of a region's file all is treated as write-combining.
    WriteCombining,
}

impl MemoryChoice {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Auto, Self::WriteBack, Self::Uncached, Self::WriteCombining];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::WriteBack => "write-back",
            Self::Uncached => "uncached",
            Self::WriteCombining => "write-combining",
        }
    }
}

/// A name that is none of [`MemoryChoice`]'s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no memory type: choose auto, write-back, uncached or write-combining")]
pub struct UnknownMemoryType(String);

impl FromStr for MemoryChoice {
    type Err = UnknownMemoryType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|choice| choice.name() == name);
        found.ok_or_else(|| UnknownMemoryType(name.to_owned()))
    }
}

/// Why a mapping is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A file of this machine: its pages are ordinary memory.
    File,
    /// An option said so.
    Option,
    /// Reading the device's memory showed it.
    Measured,
    /// It is not cached, and the kernel offers no `resource2_wc`.
    NothingElse,
}

impl Reason {
    /// One word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Option => "option",
            Self::Measured => "measured",
            Self::NothingElse => "nothing else",
        }
    }
}

/// How the region is mapped, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedAs {
    /// The memory type that accesses allow for; where it is mixed, that of the rings.
    pub memory_type: MemoryType,
    /// Why.
    pub reason: Reason,
    /// How long reads took; `None` of a file.
    pub probe: Option<Probe>,
}

impl MappedAs {
    /// Whether the processor is emulated, so that figures say nothing about a real one.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.probe.is_some_and(|probe| probe.is_emulated())
    }

    /// What an operator can do to make it faster; `None` where it is as it should be.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        let cached = self.probe.is_none_or(|probe| probe.is_cached());
        Some(match (self.memory_type, self.reason) {
            _ if self.is_emulated() => {
                "the processor is emulated, and knows no memory types: figures of a VM under KVM will be others"
            }
            (MemoryType::WriteBack, _) if cached => return None,
            (MemoryType::WriteBack, _) => "reads are not cached: leave --memory-type at auto",
            (_, Reason::Option) if cached => "reads are cached: leave --memory-type at auto",
            (MemoryType::Uncached, Reason::NothingElse) => {
                "the kernel offers no resource2_wc, so writes are slow too: is BAR 2 of the device prefetchable?"
            }
            (MemoryType::Uncached, _) => "leave --memory-type at auto: write-combining rings are faster",
            // What a guest can be told of its host: docs/memory-types.md has the rest.
            (MemoryType::WriteCombining, _) => {
                "the host honours the guest's memory type: KVM on AMD always does, and nothing in the guest changes that; \
                 on Intel it does for a VM with a passed-through device, or without KVM_X86_QUIRK_IGNORE_GUEST_PAT"
            }
        })
    }

    /// As the host is told.
    pub(crate) fn caching(&self) -> Caching {
        Caching { memory_type: self.memory_type, emulated: self.is_emulated() }
    }
}

impl fmt::Display for MappedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.caching().fmt(f)?;
        let Some(probe) = self.probe else { return f.write_str(", a file") };
        let (read, private) = (probe.read_nanoseconds(), probe.private_nanoseconds());
        write!(
            f,
            ", by {}: a read takes {read:.1} ns, of private memory {private:.1} ns",
            match self.reason {
                Reason::Option => "an option",
                _ => "measurement",
            }
        )
    }
}
